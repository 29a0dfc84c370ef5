"""The doctor's and the health check's rules, on evidence laid out by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from umbel_backend.broker.answers import Held, HeldTask, WorkerAnswer
from umbel_backend.broker.routing import Binding
from umbel_backend.events.agent_stream_upkeep import GroupStanding, StreamStanding
from umbel_backend.records import MessageRecord, QueueRecord, WorkerRecord
from umbel_console.cli.agent_facts import AgentFacts
from umbel_console.cli.doctor_checks import examine
from umbel_console.cli.evidence import Evidence
from umbel_console.cli.findings import Finding, worst
from umbel_console.cli.workers import Asked, merged

NOW = 1_800_000_000.0
CAREFUL = {
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_send_sent_event": True,
}


def held(kind: Held, *, starts_in_s: float = 0.0, **more: Any) -> HeldTask:
    eta = datetime.fromtimestamp(NOW + starts_in_s, UTC).isoformat() if starts_in_s else None
    facts: dict[str, Any] = {
        "args": None,
        "kwargs": None,
        "args_exact": False,
        "queue": "default",
        "priority": None,
        "started_at": None,
        "pid": None,
        "acknowledged": None,
        "redelivered": None,
    }
    return HeldTask(
        held=kind, id="t1", name="mail.send", worker="w1@h", eta=eta, **{**facts, **more}
    )


def binding(name: str) -> Binding:
    return Binding(queue=name, exchange=name, routing_key=name)


def evidence(
    *,
    conf: dict[str, Any] | None = None,
    record: dict[str, Any] | None = None,
    answer: dict[str, Any] | None = None,
    **more: Any,
) -> Evidence:
    known = WorkerRecord(hostname="w1@h", **{"task_events": True, **(record or {})})
    told = WorkerAnswer(hostname="w1@h", conf=CAREFUL if conf is None else conf, **(answer or {}))
    facts = {"queues": [], "memory": {"maxmemory_policy": "noeviction"}, "is_redis": True, **more}
    return Evidence(NOW, "redis://h:6379/0", asked=Asked([known], {"w1@h": told}), **facts)


def found(given: Evidence, check: str) -> list[Finding]:
    return [finding for finding in examine(given) if finding.check == check]


def queue(**by_priority: int) -> QueueRecord:
    levels = {step.removeprefix("p"): n for step, n in by_priority.items()}
    return QueueRecord(name="default", ready=sum(levels.values()), by_priority=levels, read_at=NOW)


def test_a_careful_cluster_gets_no_warning() -> None:
    assert worst(examine(evidence())) in ("ok", "advice")


def test_an_unreachable_broker_is_all_there_is_to_say() -> None:
    findings = examine(Evidence(NOW, "redis://h", broker_problem="It cannot be reached."))
    assert [(each.check, each.level) for each in findings] == [("broker", "critical")]
    assert findings[0].fix


@pytest.mark.parametrize(
    ("check", "given"),
    [
        ("events", evidence(record={"task_events": False})),
        (
            "visibility timeout",
            evidence(answer={"scheduled": (held("scheduled", starts_in_s=7200),)}),
        ),
        (
            "visibility timeout",
            evidence(
                conf={**CAREFUL, "broker_transport_options": {"visibility_timeout": 60}},
                answer={"scheduled": (held("scheduled", starts_in_s=120),)},
            ),
        ),
        (
            "run time",
            evidence(
                answer={"active": (held("active", started_at=NOW - 4000, acknowledged=False),)}
            ),
        ),
        ("clock", evidence(record={"clock_skew_s": -9.0})),
        (
            "memory policy",
            evidence(memory={"maxmemory_policy": "allkeys-lru", "maxmemory": 1_000_000}),
        ),
        (
            "queue order",
            evidence(
                queues=[queue(p0=1, p9=4)],
                answer={"queues": (binding("default"), binding("mail"))},
            ),
        ),
        (
            "no priority",
            evidence(
                queues=[queue(p0=1, p9=4)],
                messages={
                    "default": [
                        MessageRecord(position=0, id="a", name="n"),
                        MessageRecord(position=1, id="b", name="n", priority=9),
                    ]
                },
            ),
        ),
    ],
)
def test_what_silently_goes_wrong_is_a_warning_with_a_fix(check: str, given: Evidence) -> None:
    findings = found(given, check)
    assert [finding.level for finding in findings] == ["warning"]
    assert findings[0].fix


@pytest.mark.parametrize(
    ("check", "given"),
    [
        ("acknowledgement", evidence(conf={**CAREFUL, "task_acks_late": False})),
        ("acknowledgement", evidence(conf={**CAREFUL, "task_reject_on_worker_lost": False})),
        ("sent events", evidence(conf={})),
        ("memory policy", evidence(memory={"maxmemory_policy": "volatile-lru", "maxmemory": 0})),
        (
            "prefetch",
            evidence(queues=[queue(p0=1, p9=4)], answer={"prefetch_count": 8, "concurrency": 2}),
        ),
    ],
)
def test_what_may_be_meant_is_advice_with_a_fix(check: str, given: Evidence) -> None:
    findings = found(given, check)
    assert [finding.level for finding in findings] == ["advice"]
    assert findings[0].fix


@pytest.mark.parametrize(
    ("check", "given"),
    [
        ("run time", evidence(answer={"active": (held("active", started_at=NOW - 4000),)})),
        ("no priority", evidence(queues=[queue(p0=5)])),
        ("queue order", evidence(queues=[queue(p0=5)])),
        ("memory policy", evidence(is_redis=False)),
    ],
)
def test_what_does_not_apply_is_not_mentioned(check: str, given: Evidence) -> None:
    assert found(given, check) == []


def test_what_cannot_be_looked_at_is_unknown() -> None:
    assert found(evidence(memory=None), "memory policy")[0].level == "unknown"
    assert found(evidence(record={"task_events": None}), "events")[0].level == "unknown"


def test_a_worker_that_was_heard_a_moment_ago_but_does_not_answer_is_not_called_offline() -> None:
    def status(**known: Any) -> str:
        since = known.pop("silent_s", 0.0)
        record = WorkerRecord(hostname="w1@h", heartbeat_at=time.time() - since, **known)
        return merged("w1@h", record, None).status

    assert status(silent_s=1) == "not answering"
    assert status(silent_s=4000) == "offline"
    assert status(silent_s=4000, pool="solo", active=1) == "not answering"
    assert status(stopped_at=time.time()) == "offline"
    assert merged("w1@h", None, WorkerAnswer(hostname="w1@h")).status == "online"


# The agent


def with_agent(**fields: Any) -> dict[str, Any]:
    return {"agent": "0.1.0", "capabilities": ("stream", "logs"), **fields}


def standing(length: int, *groups: GroupStanding) -> AgentFacts:
    return AgentFacts(standing=StreamStanding(length, NOW - 60, NOW, groups))


def group(name: str = "recorder:here", behind: int | None = 0) -> GroupStanding:
    return GroupStanding(name, behind, 0, 0.1, "1-0")


def test_a_worker_without_the_agent_is_named_with_how_to_install_it() -> None:
    (finding,) = found(evidence(), "agent")
    assert finding.level == "advice"
    assert "needs umbel_agent in worker w1@h" in finding.detail
    assert "umbel_agent.install(app)" in str(finding.fix)
    assert found(evidence(record=with_agent()), "agent")[0].level == "ok"


def test_an_agent_that_lost_records_is_a_warning() -> None:
    findings = found(evidence(record=with_agent(agent_dropped=12)), "agent")
    assert [each.level for each in findings] == ["ok", "warning"]
    assert "w1@h 12" in findings[1].detail


@pytest.mark.parametrize(
    ("given", "level"),
    [
        (evidence(visibility_timeout_s=60.0), "warning"),
        (evidence(record=with_agent(leases=False), visibility_timeout_s=60.0), "warning"),
        (evidence(record=with_agent(leases=True), visibility_timeout_s=60.0), "ok"),
        (evidence(record=with_agent(leases=True, visibility_timeout_s=45.0)), "ok"),
        (evidence(), "advice"),
    ],
)
def test_a_short_visibility_timeout_is_safe_with_leases_only(given: Evidence, level: str) -> None:
    (finding,) = found(given, "leases")
    assert finding.level == level
    assert level == "ok" or "leases=True" in str(finding.fix)


def test_leases_in_some_workers_only_are_not_enough() -> None:
    given = evidence(record=with_agent(leases=True), visibility_timeout_s=1_000.0)
    other = WorkerRecord(hostname="w2@h")
    answers = {**given.answers, "w2@h": WorkerAnswer(hostname="w2@h")}
    given.asked = Asked([*given.workers, other], answers)
    (finding,) = found(given, "leases")
    assert finding.level == "advice"
    assert "but not in w2@h" in finding.detail


@pytest.mark.parametrize(
    ("agents", "level"),
    [
        (standing(1_000, group()), "ok"),
        (standing(90_000, group(behind=50_000)), "warning"),
        (standing(190_000, group(behind=0), group("recorder:other", 180_000)), "warning"),
        (standing(1_000), "advice"),
        (AgentFacts(), "warning"),
        (AgentFacts(problem="Redis cannot be reached."), "unknown"),
    ],
)
def test_the_stream_is_looked_at_where_there_are_agents(agents: AgentFacts, level: str) -> None:
    given = evidence(record=with_agent(), agents=agents, installation="here")
    assert [each.level for each in found(given, "stream")] == [level]
    assert found(evidence(agents=agents), "stream") == []


def test_a_redis_that_is_nearly_full_is_a_warning() -> None:
    def told(used: int) -> list[Finding]:
        return found(evidence(memory={"maxmemory": 100, "used_memory": used}), "memory")

    assert [each.level for each in told(85)] == ["warning"]
    assert told(50) == []
    assert found(evidence(memory={"maxmemory": 0, "used_memory": 85}), "memory") == []


def test_two_workers_of_one_name_are_a_warning() -> None:
    given = evidence(record={"doubled_at": NOW - 5})
    (finding,) = found(given, "names")
    assert finding.level == "warning"
    assert "Two workers call themselves w1@h" in finding.detail
    assert found(evidence(record={"doubled_at": NOW - 500}), "names") == []
