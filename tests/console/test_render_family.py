from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fake_console.drawing import DRAW, PLAIN, calm
from fake_console.world import NOW, business, task
from umbel_backend.events.model import Event
from umbel_backend.records import Attempt, TaskRecord
from umbel_console.render import attempts, raw
from umbel_console.render.document import joined
from umbel_console.render.family import family, tree


def test_attempts_are_listed_in_order_with_what_ended_each() -> None:
    failed = next(record for record in business() if record.name == "billing.capture")
    lines = joined(attempts.attempts(failed, DRAW, {})).split("\n")
    assert [line.split()[0] for line in lines[::2]] == ["1", "2", "3", "4"]
    assert "ran 1.00s" in lines[0]
    assert "3.00s after the one before" in lines[2]
    assert "ConnectionError: 502" in lines[1]
    bare = task(1, attempts=(Attempt(1, None, None, "RETRY", None, None),))
    assert "RETRY" in joined(attempts.attempts(bare, DRAW, {}))


def test_a_run_that_a_policy_had_followed_by_another_tells_the_policy_and_the_delay() -> None:
    runs = (
        Attempt(1, NOW - 9, NOW - 8, "RETRY", "OSError: x", None, "shop.*\x1b[31m", 2.0),
        Attempt(2, NOW - 6, NOW - 5, "RETRY", "OSError: x", None),
    )
    drawn = joined(attempts.attempts(task(1, attempts=runs), DRAW, {}))
    assert drawn.count("retried after 2.00s by the policy shop.*") == 1
    assert "\x1b" not in drawn


def test_the_lineage_of_retries_can_be_opened_both_ways() -> None:
    again = task(3, "SUCCESS")
    record = task(2, "FAILURE", retry_of=task(1).id, retried_as=(again.id,))
    lines = attempts.lineage(record, DRAW, {again.id: again})
    assert [line.key for line in lines] == [None, task(1).id, again.id]
    assert "✓ SUCCESS" in lines[2].text.plain


def workflow() -> list[TaskRecord]:
    root = task(1, "SUCCESS", name="start", age_s=100)
    root.root_id = root.id
    header = [
        task(n, "SUCCESS", name=f"part{n}", age_s=90, parent_id=root.id, root_id=root.id)
        for n in (2, 3, 4)
    ]
    for number, each in enumerate(header):
        each.group_id = "g1"
        each.finished_at = NOW - 80 + number
    body = task(5, "STARTED", name="body", age_s=70, parent_id=header[2].id, root_id=root.id)
    return [body, *header, root]


def test_a_chord_is_a_group_and_its_body_beside_it() -> None:
    told = joined(family(workflow()[0], workflow(), DRAW, is_whole=True)).split("\n")
    assert told[0].startswith("5 tasks")
    assert [line[:14] for line in told[1:]] == [
        "  ✓ start  9e3",
        "  ├─ group g1 ",
        "  │  ├─ ✓ part",
        "  │  ├─ ✓ part",
        "  │  └─ ✓ part",
        "▸ └─ ● body  1",
    ]
    assert "once all of the group had ended" in told[-1]
    plain = joined(family(workflow()[0], workflow(), PLAIN, is_whole=True))
    assert plain.isascii()
    assert "|  `- + part" in plain


def test_a_family_that_was_not_read_whole_says_so() -> None:
    told = joined(family(workflow()[0], workflow(), DRAW, is_whole=False))
    assert "5+ tasks" in told
    assert "There are more than the 5 members shown here." in told
    orphan = task(9, parent_id="gone", root_id="gone")
    assert "Its root gone was not seen" in joined(family(orphan, [orphan], DRAW, is_whole=True))


def test_a_task_of_its_own_belongs_to_nothing() -> None:
    alone = joined(family(task(1), [task(1)], DRAW, is_whole=True))
    assert alone.startswith("It belongs to no chain, group or chord that was seen.")
    assert "never the group" in alone
    assert "never the group" not in joined(family(workflow()[0], workflow(), DRAW, is_whole=True))


ids = st.sampled_from([task(n).id for n in range(6)])


@calm
@given(st.lists(st.tuples(ids, st.none() | ids, st.sampled_from([None, "g", "h"])), max_size=8))
def test_every_member_stands_in_the_tree_once_whatever_the_parents_are(
    members: list[tuple[str, str | None, str | None]],
) -> None:
    records = {
        id_: TaskRecord(id=id_, state_at=NOW, parent_id=parent, group_id=group, finished_at=NOW)
        for id_, parent, group in members
    }

    found: list[str] = []
    nodes = tree(records.values())
    while nodes:
        node = nodes.pop()
        nodes += node.children
        if node.record is not None:
            found.append(node.record.id)
    assert sorted(found) == sorted(records)


def test_the_raw_part_is_the_public_record_and_the_events_seen() -> None:
    seen = Event(type="task-started", id="x", at=NOW, arrived_at=NOW, hostname="w1@app-1", pid=7)
    told = joined(raw.raw(task(1), [seen], 1, DRAW))
    assert '"args_complete": true' in told
    assert "1 event of it came since this detail was opened" in told
    assert '12:04:14.000  task-started  {"hostname": "w1@app-1"' in told
    assert "No event of it came" in joined(raw.raw(task(1), [], 0, DRAW))
