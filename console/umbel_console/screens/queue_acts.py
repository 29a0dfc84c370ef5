"""From a key to an act on a queue: why it cannot be done, the dialog, the progress."""

from __future__ import annotations

from umbel_backend.records import QueueRecord
from umbel_console.acting import Verb, Wanted
from umbel_console.render.words import counted
from umbel_console.screens.act_dialog import ActDialog, Choice
from umbel_console.screens.tab import TabScreen
from umbel_console.screens.task_acts import decided, refused
from umbel_console.widgets.kept_screens import kept


def pause_or_resume(screen: TabScreen, record: QueueRecord | None) -> None:
    """Ask whether to pause ``record``, or, as it is paused, to resume it."""
    if record is not None:
        _ask(screen, "queue resume" if record.state == "paused" else "queue pause", record)


def purge(screen: TabScreen, record: QueueRecord | None) -> None:
    """Ask whether to delete all that waits in ``record``."""
    if record is not None:
        _ask(screen, "queue purge", record)


def _ask(screen: TabScreen, verb: Verb, record: QueueRecord) -> None:
    session = screen.session
    if session.acts is None:
        screen.say("This console is still starting; try again in a moment.", "warn")
    elif session.may_not_act:
        screen.run_worker(refused(screen, verb, [record.name], "queue"), exit_on_error=False)
    else:
        words = f"{record.name}, {counted(record.ready, 'message')} ready"
        choice = Choice(words=words, wanted=Wanted(verb=verb, ids=[record.name]))
        dialog = kept(screen.app, ActDialog, session).about([choice], {})
        screen.app.push_screen(dialog, lambda decision: decided(screen, decision))
