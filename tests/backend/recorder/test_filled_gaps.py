"""Which gaps the agents' stream fills, and which it does not."""

from __future__ import annotations

import pytest

from umbel_backend.events.agent_stream import StreamStatus
from umbel_backend.recorder.filled_gaps import FILLED, FilledGaps
from umbel_backend.records import Gap, WorkerRecord

NOW = 1_790_000_000.0
GAP = Gap(source="recorder", started_at=NOW - 60, ended_at=NOW, reason="no recorder was running")


def stream(caught_up_at: float | None = NOW + 10, since: float | None = 0.0) -> StreamStatus:
    return StreamStatus(
        state="live",
        since=NOW,
        problem=None,
        behind=0,
        last_entry_at=None,
        received=1,
        malformed=0,
        unknown=0,
        caught_up_at=caught_up_at,
        complete_since=since,
    )


def worker(name: str = "w1@a", **fields: object) -> WorkerRecord:
    told = {"heartbeat_at": NOW, "agent": "1.2", **fields}
    return WorkerRecord(hostname=name, **told)  # type: ignore[arg-type]


def filled(
    standing: StreamStatus, workers: list[WorkerRecord], lost: Gap | None = None
) -> list[Gap]:
    gaps = FilledGaps()
    gaps.note([GAP])
    if lost is not None:
        gaps.note_lost([lost])
    return gaps.filled(standing, workers, NOW + 10)


def test_a_gap_is_filled_when_every_worker_had_an_agent_and_the_stream_is_whole() -> None:
    (found,) = filled(stream(), [worker(), worker("w2@a")])
    assert found.reason == GAP.reason + FILLED
    assert (found.source, found.started_at, found.events_lost) == ("recorder", NOW - 60, 0)


def test_a_worker_that_died_in_the_gap_counts_by_what_its_agent_told_last() -> None:
    dead = worker("w2@a", agent=None, sampled_at=NOW - 40, heartbeat_at=NOW - 40)
    assert filled(stream(), [worker(), dead])


def test_a_worker_gone_long_before_the_gap_has_no_say() -> None:
    assert filled(stream(), [worker(), worker("w2@a", agent=None, heartbeat_at=NOW - 4_000)])


@pytest.mark.parametrize(
    ("standing", "workers"),
    [
        (stream(), [worker(), worker("w2@a", agent=None)]),
        (stream(), []),
        (stream(since=NOW - 30), [worker()]),
        (stream(since=None), [worker()]),
    ],
    ids=[
        "a worker has no agent",
        "no worker is known",
        "the stream was cut off in it",
        "there is no stream",
    ],
)
def test_a_gap_stays_one_when(standing: StreamStatus, workers: list[WorkerRecord]) -> None:
    assert filled(standing, workers) == []


def test_a_gap_in_which_an_agent_lost_records_stays_one() -> None:
    lost = Gap(source="agent w1@a", started_at=NOW - 10, ended_at=NOW - 5, reason="full")
    assert filled(stream(), [worker()], lost) == []
    before = Gap(source="agent w1@a", started_at=NOW - 100, ended_at=NOW - 90, reason="full")
    assert filled(stream(), [worker()], before)


def test_it_is_waited_until_the_stream_is_read_past_the_gap_and_said_once() -> None:
    gaps = FilledGaps()
    gaps.note([GAP])
    assert gaps.filled(stream(NOW + 1), [worker()], NOW + 1) == []
    assert gaps.filled(stream(None), [worker()], NOW + 2) == []
    assert len(gaps.filled(stream(NOW + 10), [worker()], NOW + 10)) == 1
    assert gaps.filled(stream(NOW + 20), [worker()], NOW + 20) == []
