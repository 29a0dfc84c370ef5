"""From a key to an act on tasks: what it is about, why it cannot be done, the dialog, the progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from umbel_backend import states
from umbel_backend.errors import UmbelError
from umbel_backend.records import TaskRecord
from umbel_console.acting import Verb, Wanted
from umbel_console.render.words import counted
from umbel_console.screens.act_dialog import ActDialog, Choice, Decision
from umbel_console.screens.act_progress import ActProgress
from umbel_console.screens.tab import TabScreen
from umbel_console.screens.task_list import TaskListScreen
from umbel_console.stores.acts import ActRun
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.kept_screens import kept

if TYPE_CHECKING:
    from umbel_backend.filters import Filter

_NOTHING_TO_CANCEL = frozenset({states.SUCCESS, states.FAILURE, states.REJECTED})


def begin(screen: TabScreen, action: str) -> None:
    """Ask whether to do ``action`` to what the operator looks at, or say why it cannot be done.

    Args:
        screen: The tab, with its cursor and its marks.
        action: A `Verb`, or ``edit`` to retry with other arguments.
    """
    record, marked = aimed_at(screen)
    verb: Verb = "retry" if action == "edit" else cast(Verb, action)
    if action == "edit":
        marked = []
    elif action == "pause" and record is not None and _is_resumed(record):
        verb = "resume"
    targets = marked or ([record.id] if record is not None else [])
    why = None if marked or record is None else why_not(verb, record)
    if not targets:
        screen.say("There is no task under the cursor, and none is marked.", "warn")
    elif screen.session.acts is None:
        screen.say("This console is still starting; try again in a moment.", "warn")
    elif screen.session.may_not_act:
        # The door says why, and the attempt is in the audit, as it is on every other road.
        screen.run_worker(refused(screen, verb, targets), exit_on_error=False)
    elif why is not None:
        screen.say(why, "warn")
    elif action == "edit" and record is not None:
        _edit(screen, record)
    else:
        _ask(screen, verb, record, marked)


def _edit(screen: TabScreen, record: TaskRecord) -> None:
    from umbel_console.screens.edit_retry import EditRetry

    screen.app.push_screen(
        EditRetry(screen.session, record), lambda decision: decided(screen, decision)
    )


def _ask(screen: TabScreen, verb: Verb, record: TaskRecord | None, marked: Sequence[str]) -> None:
    session, tasks = screen.session, screen.session.tasks
    targets = marked or ([] if record is None else [record.id])
    names = {id_: each.name for id_ in targets if (each := tasks.get(id_)) and each.name}
    if record is not None and record.name:
        names.setdefault(record.id, record.name)
    choices = _choices(screen, verb, targets, is_marked=bool(marked))
    dialog = kept(screen.app, ActDialog, session).about(choices, names)
    screen.app.push_screen(dialog, lambda decision: decided(screen, decision))


def _is_resumed(record: TaskRecord) -> bool:
    """Whether ``P`` resumes it: what is paused, and what may have ended with a saved state."""
    has_failed = record.is_ready and record.state != states.SUCCESS
    return record.state == states.PAUSED or has_failed


def aimed_at(screen: TabScreen) -> tuple[TaskRecord | None, list[str]]:
    """Return the task under the cursor, or in the detail that has the keys, and the marked ids.

    Of a detail that has the keys the marks in the table do not count.
    """
    if not isinstance(screen, TaskListScreen):
        return None, []
    detail = screen.open_detail
    if detail is not None and screen.keys_in_detail():
        return detail.record, []
    return screen.task_under_cursor, screen.table.marks.keys()


def why_not(verb: Verb, record: TaskRecord) -> str | None:
    """Return why one task cannot be acted on, as its record stands; None if it can."""
    if verb == "retry":
        if not record.is_ready:
            return f"It has not ended ({record.state}); only what has ended is retried."
    elif verb == "resume":
        return None
    elif record.state in _NOTHING_TO_CANCEL or (record.is_ready and verb not in ("cancel", "kill")):
        return f"It has ended ({record.state}); there is nothing to {verb}."
    return None


def decided(screen: TabScreen, decision: Decision | None) -> None:
    """Begin what was decided, and show how far it is."""
    session = screen.session
    if decision is None or session.acts is None:
        return
    job = session.acts.begin(decision.wanted, decision.ids, decision.reason)
    now = session.clock()
    run = ActRun(decision.wanted.verb, decision.ids, decision.names, job, now)
    run.is_shown = True
    session.runs.begin(run)
    screen.app.push_screen(ActProgress(session, run))


def run_task(screen: TabScreen) -> None:
    """Ask which task is to be run, or say why none can be."""
    session = screen.session
    if session.acts is None:
        screen.say("This console is still starting; try again in a moment.", "warn")
    elif session.may_not_act:
        screen.run_worker(refused(screen, "run", ["any task"], "task name"), exit_on_error=False)
    else:
        from umbel_console.screens.run_form import RunForm

        record, _ = aimed_at(screen)
        name = "" if record is None else record.name or ""
        form = kept(screen.app, RunForm, session).about(name)
        screen.app.push_screen(form, lambda decision: decided(screen, decision))


def show_latest(screen: TabScreen) -> None:
    """Show the act that is under way, or the last one."""
    run = screen.session.runs.latest
    if run is None:
        screen.say("No act was begun in this console yet; 7 shows those of everybody.")
    else:
        screen.app.push_screen(ActProgress(screen.session, run))


def _choices(
    screen: TabScreen, verb: Verb, targets: Sequence[str], *, is_marked: bool
) -> list[Choice]:
    bar = next(iter(screen.query(FilterBar)), None)
    chosen: Filter | None = None if bar is None else bar.chosen
    words = "the task under the cursor"
    if is_marked:
        words = f"the {counted(len(targets), 'marked task')}"
        hidden = screen.table.hidden_marks()
        words += f", {hidden:,} of them not in view" if hidden else ""
    if verb in ("pause", "resume") and is_marked:
        return _paused_or_not(screen, targets, words, chosen)
    # One task named by hand is retried even if it may run twice: the dialog says so before.
    named = Choice(
        words=words, wanted=Wanted(verb=verb, ids=list(targets), twice=len(targets) == 1)
    )
    if chosen is None or chosen.root is None:
        return [named]
    matching = Choice(
        words=f"all that match {chosen.text}", wanted=Wanted(verb=verb, chosen=chosen)
    )
    return [named, matching]


def _paused_or_not(
    screen: TabScreen, targets: Sequence[str], words: str, chosen: Filter | None
) -> list[Choice]:
    """Return what ``P`` may mean for marked tasks: those that are paused are resumed, the others paused."""
    tasks = screen.session.tasks
    paused = [id_ for id_ in targets if (each := tasks.get(id_)) and _is_resumed(each)]
    others = [id_ for id_ in targets if id_ not in set(paused)]
    choices = []
    if others:
        # Short enough for both to stand in a narrow dialog.
        some = f"{len(others):,} of {words.removeprefix('the ')}, which wait or run"
        told = words if not paused else some
        choices.append(Choice(words=told, wanted=Wanted(verb="pause", ids=others)))
    if paused:
        told = words if not others else f"{len(paused):,} paused or failed"
        choices.append(Choice(words=told, wanted=Wanted(verb="resume", ids=paused)))
    if chosen is not None and chosen.root is not None and not (paused and others):
        verb: Verb = "resume" if paused else "pause"
        wanted = Wanted(verb=verb, chosen=chosen)
        choices.append(Choice(words=f"all that match {chosen.text}", wanted=wanted))
    return choices


async def refused(
    screen: TabScreen, verb: Verb, targets: Sequence[str], kind: str = "task"
) -> None:
    """Let the door refuse an act, which writes it into the audit, and say why."""
    acts = screen.session.acts
    assert acts is not None
    try:
        why = await acts.refusal(verb, targets, kind)
    except UmbelError as error:
        why = str(error)
    # The role may have been changed a moment ago, which the next look at the audit tells.
    screen.say(why or "You may act by now; press the key again.", "warn")
