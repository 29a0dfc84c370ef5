"""The parts of a console start one after another, and the screen says which one is on its way."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fake_console.screen_text import text, until, until_shown
from fake_console.world import (
    NOW,
    Console,
    FakeCluster,
    FakeRecorder,
    FakeSource,
    ListHistory,
    task,
)
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.events.model import Event
from umbel_console.app import UmbelApp
from umbel_console.services import Known, Services


class Parts(Console):
    """A console whose parts note when they are made, and whose database opens when it is told to."""

    def __init__(self) -> None:
        super().__init__([task(1, "STARTED")])
        self.made: list[str] = []
        self.may_open = threading.Event()
        self.open: Callable[[], ListHistory] = lambda: self.history
        self.settled = 0
        services = Services(
            events=self._events_read,
            history=self._opened,
            recorder=self._recorder,
            cluster=self._cluster,
            clock=self.clock,
        )
        self.app = UmbelApp(self.app.settings, services, settled=self._settle)

    def _events_read(self, wake: Callable[[], None]) -> FakeSource:
        self.made.append("events")
        return self._events(wake)

    def _recorder(self) -> FakeRecorder:
        self.made.append("recorder")
        return FakeRecorder()

    def _opened(self) -> ListHistory:
        self.may_open.wait(20)
        self.made.append("history")
        return self.open()

    def _cluster(self, known: Callable[[], Known], wake: Callable[[], None]) -> FakeCluster:
        self.made.append("cluster")
        return FakeCluster(known, wake)

    def _settle(self) -> None:
        self.settled += 1


async def test_events_are_live_while_the_database_still_opens() -> None:
    console = Parts()
    async with console.app.run_test(size=(120, 30)) as pilot:
        await until_shown(pilot, "● live")
        await until_shown(pilot, "Opening the database.")
        console.source.push([Event(type="task-sent", id="early", name="a.early", at=NOW)])
        await until_shown(pilot, "a.early")
        assert console.made == ["events"]
        console.may_open.set()
        await until_shown(pilot, "reports.monthly")
        await until(pilot, lambda: console.settled)
        assert console.made == ["events", "history", "recorder", "cluster"]
        await until(pilot, lambda: "Opening" not in text(console.app))
        console.app.exit(0)


async def test_a_task_that_ended_while_the_database_was_read_keeps_its_name_and_its_end() -> None:
    console = Parts()
    begun = console.history.records[0]
    async with console.app.run_test(size=(120, 30)) as pilot:
        await until_shown(pilot, "● live")
        end = Event(type="task-succeeded", id=begun.id, at=NOW, hostname=begun.worker or "")
        console.source.push([end])
        await until(pilot, lambda: console.app.session.tasks.get(begun.id))
        console.may_open.set()
        await until_shown(pilot, "reports.monthly")
        known = console.app.session.tasks.get(begun.id)
        assert known is not None
        assert known.state == "SUCCESS"
        console.app.exit(0)


async def test_a_database_that_the_recorder_has_yet_to_make_is_no_problem_to_report() -> None:
    console = Parts()
    console.may_open.set()
    problems: list[str | None] = []

    def opened() -> ListHistory:
        problems.append(console.app.session.history_problem)
        if "recorder" not in console.made:
            raise DatabaseUnavailable("There is no database yet.")
        return console.history

    console.open = opened
    async with console.app.run_test(size=(120, 30)) as pilot:
        await until_shown(pilot, "reports.monthly")
        assert problems == [None, None]
        console.app.exit(0)
