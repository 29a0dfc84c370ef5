"""The part of a watch that asks workers: those that are well together, the silent ones aside."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from queue import Empty, SimpleQueue

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control, Inspection
from umbel_backend.broker.footprints import Footprints
from umbel_backend.recorder.pace import Pace
from umbel_backend.recorder.silence import is_off, is_quiet
from umbel_backend.recorder.silent import SilentAsker
from umbel_backend.records import WorkerRecord
from umbel_backend.settings import Context

_ALL_WORKERS_EVERY_S = 60.0
_NOBODY_EVERY_S = 5.0
"""How often everybody is called while no worker is known to be there."""
_PATIENCE_S = 1.0
"""How long all workers together are waited for; who needs longer is asked aside."""
_ALONE_AFTER_S = 0.9
_ALONE_S = 0.3
"""How long one worker is waited for that is asked alone."""
_FIGURES = ("stats", "active", "reserved", "scheduled", "active_queues")
_HELD = ("stats", "active", "reserved", "scheduled")


class WorkerRound:
    """Asks the workers of one cluster again and again. For one thread.

    Args:
        cluster: The broker they are connected to.
        known: Returns the workers known from events, by node name.
        take_in: Takes what workers answered, and whether one of them was started anew.
        judge: Takes what is judged of workers that do not answer.
        wake: Called, in another thread, when a silent worker was judged or answered.
    """

    def __init__(
        self,
        cluster: Cluster,
        known: Callable[[], dict[str, WorkerRecord]],
        take_in: Callable[[Sequence[WorkerAnswer], bool], None],
        judge: Callable[[Sequence[WorkerAnswer]], None],
        wake: Callable[[], None],
    ) -> None:
        self._context: Context = cluster.context
        self._known = known
        self._take_in_ = take_in
        self._judge = judge
        self._wake = wake
        self._control = Control(cluster)
        self._footprints = Footprints(cluster)
        self._silent = SilentAsker(Cluster(cluster.context), self._aside, self._footprints)
        self._told: SimpleQueue[Sequence[WorkerAnswer]] = SimpleQueue()
        self._aside_names: set[str] = set()
        self._all_well = False
        self._reached: int | None = None
        # The last two processes of each name: two workers that share one take turns to answer.
        self._asked: dict[str, tuple[int | None, ...]] = {}
        self._asked_at = 0.0
        self.bound: dict[str, tuple[str, ...]] = {}
        """What each worker said it consumes."""
        self.is_alone = False
        """The broker said that no worker is connected, and none was heard of since."""

    def look(self, pace: Pace, every_s: float) -> None:
        """Ask workers that are new, or were restarted, who they are; all of them every ``every_s``."""
        self._take_aside()
        records = self._known()
        now = time.time()
        well = {r.hostname: r.pid for r in records.values() if not is_quiet(r, now)}
        quiet = {name for name, r in records.items() if is_quiet(r, now) and not is_off(r, now)}
        quiet |= self._aside_names & well.keys()
        well = {name: pid for name, pid in well.items() if name not in self._aside_names}
        self._all_well = not quiet
        self._silent.ask(quiet, well.keys())
        names = {name for name, pid in well.items() if pid not in self._asked.get(name, ())}
        is_nobody = not well and not quiet
        self.is_alone = self.is_alone and is_nobody
        if pace.is_due("all workers", _NOBODY_EVERY_S if is_nobody else _ALL_WORKERS_EVERY_S):
            # Without events nobody is known: a ping finds workers that send none.
            ping = self._control.ping(known=well, timeout_s=_PATIENCE_S)
            names |= set(ping.answered) - quiet
            self._asked_at = time.monotonic()
            self.is_alone = is_nobody and ping.reached == 0
        began = pace.now()
        if names:
            self._learn(names, (*_FIGURES, "conf"))
        elif well and pace.is_due("figures", every_s):
            self._learn(well, _FIGURES)
            self._note_strangers(len(well))
        else:
            self._learn_footprint(well)
            return
        pace.rest("figures", every_s, began)
        self._asked_at = time.monotonic()

    def there(self) -> set[str]:
        """Return the workers known that are not gone."""
        now = time.time()
        return {name for name, record in self._known().items() if not is_off(record, now)}

    def inspect_held(self) -> Inspection:
        """Ask the workers that are well which tasks they hold."""
        now = time.time()
        well = {
            name
            for name, record in self._known().items()
            if not is_quiet(record, now) and name not in self._aside_names
        }
        inspection = self._control.inspect(well or None, _HELD, _PATIENCE_S)
        self._asked_at = time.monotonic()
        return inspection

    def enable_events(self, names: Collection[str]) -> list[str]:
        """Switch task events on in ``names``; returns in which of them they were off."""
        if not self._context.enable_events:
            return []
        switched = self._control.enable_events(names)
        return [name for name, outcome in switched.items() if outcome == "enabled"]

    def ask_all_again(self) -> None:
        """Let every worker be asked who it is."""
        self._asked.clear()

    def close(self) -> None:
        """Close what is open; it opens again."""
        self._control.close()
        self._footprints.forget()

    def stop(self) -> None:
        """Ask nobody any more."""
        self._silent.stop()

    def _learn(self, names: Iterable[str], methods: Sequence[str]) -> None:
        inspection = self._control.inspect(set(names), methods, _PATIENCE_S)
        # Whoever is too slow for everybody to wait is asked aside until it answers.
        self._aside_names |= set(inspection.silent)
        self._reached = inspection.reached
        self._take_in(list(inspection.workers.values()))

    def _learn_footprint(self, well: dict[str, int | None]) -> None:
        """Learn which connection is that of one worker, in a moment in which no other is asked."""
        if time.monotonic() - self._asked_at < _ALONE_AFTER_S:
            return
        name = self._footprints.next_to_learn(well)
        if name is not None:
            self._footprints.learn(
                name,
                lambda: name in self._control.inspect({name}, ("active_queues",), _ALONE_S).workers,
            )

    def _note_strangers(self, known: int) -> None:
        if self._all_well and not self._aside_names and self._reached is not None:
            self._silent.strangers = max(0, self._reached - known)

    def _take_in(self, answers: Sequence[WorkerAnswer]) -> None:
        asked = self._asked
        is_started = any(each.pid not in asked.get(each.hostname, ()) for each in answers)
        self._take_in_(answers, is_started)
        # Only now: what failed on the way is done again with the next answers.
        for answer in answers:
            before = asked.get(answer.hostname, ())
            if answer.pid not in before:
                asked[answer.hostname] = (*before[-1:], answer.pid)

    def _aside(self, answers: Sequence[WorkerAnswer]) -> None:
        """Take what silent workers answered after all, and what is judged of the others."""
        self._told.put(answers)
        self._wake()

    def _take_aside(self) -> None:
        while True:
            try:
                answers = self._told.get_nowait()
            except Empty:
                return
            heard = [answer for answer in answers if answer.silence is None]
            self._aside_names -= {answer.hostname for answer in heard}
            for answer in answers:
                if answer.silence == "gone":
                    self._aside_names.discard(answer.hostname)
                    self.bound.pop(answer.hostname, None)
            if heard:
                self._take_in(heard)
            self._judge([each for each in answers if each.silence is not None])
