"""A console without a cluster: real records, a clock that stands still, services that are lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from fake_console.acts import FakeActs
from fake_console.audit import FakeTrail
from fake_console.cluster import FakeCluster, FakeRecorder, FakeSource, FakeWaiting
from fake_console.history import FakeExport, ListHistory
from fake_console.inquiry import FakeInquiry
from fake_console.logs import FakeAgents
from fake_console.tasks import NOW, TRACEBACK, Clock, business, task
from umbel_backend.events.capture import CaptureState
from umbel_backend.records import Gap, TaskRecord
from umbel_backend.settings import Context, Settings
from umbel_console.app import UmbelApp
from umbel_console.services import ClusterView, Services

__all__ = [
    "NOW",
    "TRACEBACK",
    "Clock",
    "Console",
    "FakeCluster",
    "FakeExport",
    "FakeRecorder",
    "FakeSource",
    "ListHistory",
    "business",
    "task",
]

PROD = Context(name="prod", broker="redis://:hunter2@cache-1:6379/0")


class Console:
    """An app on fakes, and the fakes at hand."""

    def __init__(
        self,
        records: Sequence[TaskRecord] = (),
        *,
        gaps: Sequence[Gap] = (),
        state: CaptureState = "live",
        problem: str | None = None,
        cluster: Callable[..., ClusterView] = FakeCluster,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        self.source = FakeSource(state, problem)
        self.history = ListHistory(records, gaps)
        self.waiting = FakeWaiting()
        self.inquiry = FakeInquiry(self.clock)
        self.agents = FakeAgents()
        self.acts = FakeActs()
        self.trail = FakeTrail()
        self.app = UmbelApp(
            Settings(**{"context": PROD, **settings}),
            Services(
                events=self._events,
                agents=self._agents,
                history=lambda: self.history,
                recorder=FakeRecorder,
                cluster=cluster,
                waiting=lambda: self.waiting,
                inquiry=lambda: self.inquiry,
                acts=lambda: self.acts,
                audit=lambda: self.trail,
                clock=self.clock,
            ),
            zone=UTC,
        )

    def _agents(self, wake: Callable[[], None]) -> FakeAgents:
        self.agents.wake = wake
        return self.agents

    def _events(self, wake: Callable[[], None]) -> FakeSource:
        self.source.wake = wake
        return self.source
