from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umbel_backend import states
from umbel_backend.broker.why_waiting import Cause, Facts, Running, WorkerFacts, why_waiting

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a machine under load the time of an example says nothing."""
NOW = 1_793_534_654.0
BUSY = (Running("8f2c91ae-1", "deploy.rollout"),)


def worker(name: str = "w1@app-1", **fields: Any) -> WorkerFacts:
    given: dict[str, Any] = {"queues": ("high",), "slots": 1, "running": ()}
    return WorkerFacts(hostname=name, **(given | fields))


def facts(**fields: Any) -> Facts:
    given: dict[str, Any] = {"now": NOW, "name": "mail.send", "queue": "high", "sent_at": NOW - 60}
    return Facts(**(given | fields))


def told(causes: list[Cause]) -> str:
    return "\n".join(cause.sentence for cause in causes)


def kinds(**fields: Any) -> list[str]:
    return [cause.kind for cause in why_waiting(facts(**fields))]


def test_a_queue_without_consumer_is_the_reason_only_if_every_worker_told() -> None:
    other = worker(queues=("low",))
    (cause, position) = why_waiting(facts(found=True, before=3, workers=[other]))
    assert cause.sentence == "No worker consumes from queue high."
    assert cause.certainty == "known"
    assert position.sentence == "3 messages are before it in queue high."
    silent = worker("w2@app-2", answered=False, queues=None)
    (unsure, *_) = why_waiting(facts(found=True, before=3, workers=[other, silent]))
    assert unsure.certainty == "likely"
    assert "1 did not answer" in unsure.sentence
    (unasked, *_) = why_waiting(facts(found=True, before=3, workers=[other], unasked=4))
    assert unasked.certainty == "likely"


def test_without_any_worker_it_says_that_none_was_found() -> None:
    assert "No worker was found." in told(why_waiting(facts(found=True, before=0)))


def test_a_silent_consumer_is_named_and_nothing_is_concluded_from_it() -> None:
    silent = worker("w2@app-2", answered=False)
    causes = why_waiting(facts(found=True, before=0, workers=[silent]))
    assert [cause.kind for cause in causes] == ["silent", "position"]
    assert causes[0].sentence == "Worker w2@app-2 does not answer."


def test_full_workers_are_counted_by_their_slots() -> None:
    one = worker(running=BUSY)
    two = worker("w2@app-2", slots=3, running=BUSY * 3)
    found = told(why_waiting(facts(found=True, before=1, workers=[one, two])))
    assert "All 4 slots of the 2 workers on queue high are busy." in found
    assert "1 message is before it in queue high." in found
    alone = told(why_waiting(facts(found=True, before=0, workers=[one])))
    assert "The one slot of worker w1@app-1 on queue high is busy." in alone
    assert "It is the next message of queue high." in alone


def test_a_free_slot_is_told_as_what_is_likely() -> None:
    cause = why_waiting(facts(found=True, before=0, workers=[worker()]))[0]
    assert (cause.kind, cause.certainty) == ("free slot", "likely")
    assert "should be taken soon" in cause.sentence


def test_a_paused_queue_comes_first() -> None:
    assert kinds(found=True, before=2, workers=[worker()], queue_paused=True)[0] == "paused"


def test_what_a_worker_fetched_ahead_names_what_it_waits_for() -> None:
    holder = worker(holds="reserved", running=BUSY, others_fetched=2)
    assert told(why_waiting(facts(state=states.RECEIVED, workers=[holder]))) == (
        "Worker w1@app-1 has fetched it ahead, with 2 others fetched as well, and its one slot is"
        " busy with deploy.rollout 8f2c91ae."
    )
    idle = worker(holds="reserved", others_fetched=0)
    (cause,) = why_waiting(facts(workers=[idle]))
    assert cause.certainty == "likely"


def test_an_eta_tells_who_holds_it_and_until_when() -> None:
    holder = worker(holds="scheduled")
    (cause,) = why_waiting(facts(eta=NOW + 60, workers=[holder]))
    assert (cause.kind, cause.until) == ("eta", NOW + 60)
    assert "worker w1@app-1 holds it until then" in cause.sentence
    retried = why_waiting(facts(eta=NOW + 60, workers=[holder], state=states.RETRY))
    assert "next try" in told(retried)
    overdue = why_waiting(facts(eta=NOW - 1, workers=[holder]))
    assert [cause.certainty for cause in overdue] == ["likely"]


def test_expired_and_revoked_are_told_before_where_it_waits() -> None:
    found = kinds(
        found=True, before=0, expires=NOW - 1, workers=[worker(revoked=True, running=BUSY)]
    )
    assert found == ["expired", "revoked", "full", "position"]


def test_a_rate_limit_is_concluded_only_for_a_task_its_worker_took() -> None:
    limited = worker(rate_limit="20/s")
    (cause,) = why_waiting(facts(worker="w1@app-1", found=False, unacked=True, workers=[limited]))
    assert (cause.kind, cause.certainty) == ("rate limit", "likely")
    assert "at most 20/s of mail.send" in cause.sentence
    assert "rate limit" not in kinds(found=True, before=0, workers=[limited])


def test_a_worker_that_took_it_and_is_gone_or_silent_is_said_to_be() -> None:
    gone = worker(answered=False, gone=True)
    (cause,) = why_waiting(
        facts(worker="w1@app-1", found=False, unacked=True, redelivered_at=NOW + 9, workers=[gone])
    )
    assert cause.sentence == "Worker w1@app-1 took it and is gone; the broker hands it out again."
    assert cause.until == NOW + 9
    silent = worker(answered=False)
    (cause,) = why_waiting(facts(worker="w1@app-1", found=False, workers=[silent]))
    assert cause.certainty == "unknown"


def test_a_broker_that_cannot_be_reached_leaves_only_what_the_clock_tells() -> None:
    problem = "The broker redis://cache-1:6379/0 cannot be reached: the connection was refused."
    causes = why_waiting(facts(broker_problem=problem, eta=NOW + 5))
    assert [cause.kind for cause in causes] == ["eta", "broker"]
    assert causes[1].certainty == "unknown"
    assert causes[1].sentence.startswith("More cannot be told: the broker redis://")


def test_a_broker_that_hides_its_messages_is_said_to() -> None:
    reason = "RabbitMQ shows messages only to those who take them."
    causes = why_waiting(facts(cannot_read=reason, ready=12, workers=[worker(running=BUSY)]))
    assert [cause.kind for cause in causes] == ["full", "position"]
    assert "which holds 12 messages, cannot be told: RabbitMQ shows" in causes[1].sentence


def test_what_is_nowhere_is_never_called_lost_for_sure() -> None:
    (cause,) = why_waiting(facts(found=False, searched=1_200, unacked=False, workers=[worker()]))
    assert cause.certainty == "likely"
    assert "1,200 messages looked at" in cause.sentence
    (young,) = why_waiting(facts(found=False, searched=0, sent_at=NOW - 1, unacked=False))
    assert young.kind == "on its way"
    (bounded,) = why_waiting(facts(found=None, searched=20_000))
    assert bounded.certainty == "unknown"


names = st.text(max_size=20)
maybe = st.none() | st.booleans()
instants = st.none() | st.floats(min_value=NOW - 9_999, max_value=NOW + 9_999)
workers_ = st.builds(
    WorkerFacts,
    hostname=names,
    answered=st.booleans(),
    gone=st.booleans(),
    queues=st.none() | st.lists(st.sampled_from(["high", "low"]), max_size=2).map(tuple),
    slots=st.none() | st.integers(0, 4),
    running=st.none() | st.lists(st.builds(Running, names, names), max_size=4).map(tuple),
    others_fetched=st.none() | st.integers(0, 9),
    holds=st.sampled_from([None, "active", "reserved", "scheduled"]),
    revoked=maybe,
    rate_limit=st.none() | names,
)
anything = st.builds(
    Facts,
    now=st.just(NOW),
    name=names,
    state=st.sampled_from(sorted(states.WAITING)),
    sent_at=instants,
    worker=st.none() | names,
    eta=instants,
    expires=instants,
    workers=st.lists(workers_, max_size=4),
    unasked=st.integers(0, 3),
    queue=st.none() | st.sampled_from(["high", "low"]),
    queue_paused=st.booleans(),
    found=maybe,
    before=st.none() | st.integers(0, 9),
    searched=st.integers(0, 20_000),
    ready=st.none() | st.integers(0, 20_000),
    unacked=maybe,
    redelivered_at=instants,
    broker_problem=st.none() | st.just("The broker is gone."),
    workers_problem=st.none() | st.just("Another command waits."),
    cannot_read=st.none() | st.just("RabbitMQ hides them."),
)


@calm
@given(anything)
def test_whatever_is_known_there_is_an_answer_in_whole_sentences(given_facts: Facts) -> None:
    causes = why_waiting(given_facts)
    assert causes
    for cause in causes:
        assert cause.sentence.endswith(".")
        assert cause.sentence[0].isupper() or cause.sentence[0].isdigit()
    assert len({cause.kind for cause in causes}) == len(causes)


@calm
@given(anything)
def test_nobody_is_said_to_consume_nothing_while_a_worker_is_silent(given_facts: Facts) -> None:
    if given_facts.silent or given_facts.unasked:
        certain = [c for c in why_waiting(given_facts) if c.kind == "no consumer"]
        assert all(cause.certainty != "known" for cause in certain)


@pytest.mark.parametrize("before", [0, 1, 2_000])
def test_the_position_is_counted_from_what_runs_next(before: int) -> None:
    sentence = why_waiting(facts(found=True, before=before, workers=[worker()]))[-1].sentence
    assert ("next" in sentence) is (before == 0)
    if before:
        assert sentence.startswith(f"{before:,} message")
