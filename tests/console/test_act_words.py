"""What acts come to, in words; the entries a console holds; what others did, in one sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_console.acts import FakeJob
from fake_console.audit import entry
from fake_console.tasks import NOW
from umbel_backend.acts.outcome import done, refused
from umbel_backend.acts.whereabouts import Place
from umbel_backend.acts.workforce import Holding
from umbel_backend.errors import InvalidFilter
from umbel_backend.export.audit import AUDIT_HEADER, audit_block
from umbel_console import acting_words as words
from umbel_console.acting import Verb, Wanted
from umbel_console.acts_tail import said_of
from umbel_console.render.context import DrawContext
from umbel_console.render.diff import difference
from umbel_console.render.document import joined
from umbel_console.stores import audit
from umbel_console.stores.acts import MOST_KEPT, ActRun, ActRuns
from umbel_console.stores.audit import AuditStore

DRAW = DrawContext(now=NOW)
RUNS = Place("running", "running on w1", Holding("w1", "active", 7))
ENDED = Place("ended", "it has ended", state="SUCCESS")
PAUSED = Place("paused", "held aside from queue default")
GONE = Place("nowhere", "found nowhere")


@pytest.mark.parametrize(
    ("verb", "told", "doable"),
    [
        ("cancel", ["running: SIGTERM, killed after 30 s (w1 1)", "found nowhere"], 3),
        ("kill", ["running: SIGKILL at once (w1 1)"], 3),
        ("pause", ["running (w1 1): their worker's agent has them pause"], 1),
        (
            "resume",
            [
                "held aside: put back at the head of their queue",
                "with a worker (w1 1): go on, if frozen",
            ],
            2,
        ),
    ],
)
def test_each_act_says_what_it_does_where_a_task_is(
    verb: Verb, told: list[str], doable: int
) -> None:
    places = {"a": RUNS, "b": ENDED, "c": PAUSED, "d": GONE}
    lines = words.of_places(places, verb, 0.0 if verb == "kill" else 30.0)
    assert sum(line.count or 0 for line in lines) == len(places)
    for each in told:
        assert any(line.words.startswith(each) for line in lines), lines
    assert sum(words.would_act(places, verb)) == doable


def test_many_names_are_told_by_the_most_frequent() -> None:
    assert words.named(["b", "a", "a"]) == "a, b"
    assert words.named("abcdef") == "a, b, c, d and 2 more"


def test_a_run_counts_what_became_known_and_what_was_not_begun() -> None:
    job = FakeJob(Wanted(verb="cancel"), ["a", "b", "c"], "")
    run = ActRun("cancel", ["a", "b", "c"], {}, job, NOW)
    job.tell("a", done("Gone."))
    run.look(NOW + 1)
    assert run.sentence() == "Cancelling: 1 of 3"
    job.tell("b", refused("No."))
    job.is_over = True
    run.look(NOW + 2)
    assert run.sentence() == "Cancel 3 tasks: 1 done, 1 refused, 1 not begun"
    assert not run.is_well


def test_only_so_many_acts_are_kept_and_none_that_goes_on_is_forgotten() -> None:
    runs = ActRuns()
    jobs = []
    for number in range(MOST_KEPT + 5):
        job = FakeJob(Wanted(verb="cancel"), [str(number)], "")
        jobs.append(job)
        runs.begin(ActRun("cancel", [str(number)], {}, job, NOW))
    assert len(runs.under_way) == MOST_KEPT + 5
    for job in jobs:
        job.is_over = True
    runs.look(NOW)
    runs.begin(ActRun("cancel", ["last"], {}, FakeJob(Wanted(verb="cancel"), [], ""), NOW))
    assert len(runs.all()) == MOST_KEPT
    assert runs.latest is not None
    assert runs.latest.targets == ["last"]


@given(
    st.lists(st.integers(1, 60), unique=True),
    st.integers(1, 10),
    st.lists(st.integers(61, 90), unique=True, max_size=20),
)
def test_pages_and_news_make_the_list_that_the_database_has(
    ids: list[int], page: int, later: list[int]
) -> None:
    store, stored = AuditStore(), sorted(ids, reverse=True)
    store.begin([entry(n) for n in stored[:page]], len(stored) > page)
    while store.more:
        older = [n for n in stored if n < (store.oldest or 0)]
        store.add_older([entry(n) for n in older[:page]], len(older) > page)
    stored = sorted([*ids, *later], reverse=True)
    newest = [entry(n, outcome="partly") for n in stored[: page + len(later)]]
    store.renew(newest, len(stored) > len(newest))
    if ids:
        assert [row.id for row in store.rows][: len(stored)] == stored
        assert all(row.outcome == "partly" for row in store.rows[: len(newest)])


@pytest.mark.parametrize(
    ("text", "position", "length"),
    [("operator:a colour:red", 11, 10), ('reason:"open', 7, 1), ("since:soon", 0, 10)],
)
def test_a_mistake_in_a_filter_of_the_audit_has_its_place(
    text: str, position: int, length: int
) -> None:
    with pytest.raises(InvalidFilter) as found:
        audit.read(text)
    assert (found.value.position, found.value.length) == (position, length)


def test_filters_of_the_audit_are_completed_by_field_and_by_what_was_read() -> None:
    store = AuditStore()
    store.begin([entry(1, operator="ada"), entry(2, action="operator add")], False)
    assert ("operator:", "operator:") in audit.suggest("op", 2, store)
    assert audit.suggest("operator:a", 10, store) == [
        ("operator:alice", "alice"),
        ("operator:ada", "ada"),
    ]
    assert audit.suggest("action:", 7, store)[0] == ('action:"operator add"', '"operator add"')
    assert ("outcome:refused", "refused") in audit.suggest("outcome:re", 10, store)


def test_what_others_did_is_one_sentence_about_the_last_of_it() -> None:
    rows = [entry(1, batch="a"), entry(2, batch="b", operator="bob"), entry(3, batch="b")]
    assert said_of(rows[:1]) == "alice: cancel 00000001, done. 7 shows the audit."
    assert said_of(rows) == ("alice: cancel 2 tasks, 2 done, and 1 more act. 7 shows the audit.")


def test_a_difference_shows_only_the_lines_that_differ() -> None:
    assert joined(difference("a\nb\nc", "a\nX\nc", DRAW)) == "- b\n+ X"
    assert joined(difference("a", "a", DRAW)) == "Nothing was changed."


def test_an_exported_entry_is_no_formula_and_reads_back() -> None:
    row = entry(1, reason='=cmd|"x"', detail="a,b")
    public = json.loads(audit_block([row], "jsonl"))
    assert (public["reason"], public["parameters"]) == ('=cmd|"x"', {"grace_s": 30.0})
    cells = audit_block([row], "csv").decode()
    assert cells.count("\r\n") == 1
    assert ',"\'=cmd|""x""",' in cells
    assert AUDIT_HEADER.startswith(b"id,at,operator,")
