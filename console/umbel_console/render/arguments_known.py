"""How well the arguments of a task are known: from its exact message, from an event, whole or cut. Pure."""

from __future__ import annotations

from umbel_backend.events.text import CUT
from umbel_backend.records import KeptMessage, TaskRecord
from umbel_console.agent_words import HOW_TO_INSTALL
from umbel_console.render.context import DrawContext
from umbel_console.render.detail_values import arguments
from umbel_console.render.document import DocLine, said
from umbel_console.render.message_kept import state

_CELERY_CUTS = 1_000
"""From about this length on Celery cuts the repr of arguments in an event."""


class KnownArguments:
    """The last arguments drawn, for who draws the same ones again every second."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._plain: list[DocLine] = []
        self._lines: list[DocLine] = []

    def __call__(
        self,
        record: TaskRecord,
        kept: KeptMessage | None,
        missing: str | None,
        draw: DrawContext,
    ) -> list[DocLine]:
        """Return the arguments, headed by how well they are known.

        Args:
            record: The task.
            kept: Its exact message, or why there is none; None if nothing is known of it.
            missing: ``needs umbel_agent in worker w1`` where no message could be kept for want of it.
            draw: The means.
        """
        plain = arguments(record, draw)
        key = (id(plain), kept, missing)
        if key != self._key or not self._lines:
            self._plain = plain
            self._key, self._lines = key, _headed(plain, record, kept, missing, draw)
        return self._lines


def _headed(
    plain: list[DocLine],
    record: TaskRecord,
    kept: KeptMessage | None,
    missing: str | None,
    draw: DrawContext,
) -> list[DocLine]:
    """Replace what the arguments alone say of themselves by what is known of the message too."""
    if record.args is None and record.kwargs is None:
        return plain
    return [*how_known(record, kept, missing, draw), *plain[1:]]


def how_known(
    record: TaskRecord, kept: KeptMessage | None, missing: str | None, draw: DrawContext
) -> list[DocLine]:
    """Say whether the arguments are all there is, and what became of the message itself."""
    if record.args_exact and kept is not None and kept.body is not None:
        return [said("complete (exact message kept)", draw, "good")]
    if record.args_exact:
        lines = [said("complete (read from the message itself)", draw, "good")]
    elif record.args_complete:
        lines = [said("complete (as Celery wrote them in an event)", draw, "good")]
    else:
        lines = [said(where_cut(record), draw, "warn")]
    if kept is not None:
        lines.append(said(_of_message(kept), draw))
    elif missing and not record.args_complete:
        words = f"To keep them whole: {missing}. {HOW_TO_INSTALL}"
        lines.append(said(words, draw))
    return lines


def _of_message(kept: KeptMessage) -> str:
    if kept.body is not None:
        return f"Its exact message is {state(kept)}."
    why = f": {kept.withheld}" if kept.withheld else ""
    return f"The body of its exact message was not kept{why}."


def where_cut(record: TaskRecord) -> str:
    """Say how much of the arguments is left, and who cut them."""
    texts = [text for text in (record.args, record.kwargs) if text]
    longest = max(map(len, texts), default=0)
    if any(text.endswith(CUT) for text in texts):
        return (
            f"cut at {longest - len(CUT):,} characters, the limit args_bytes of the configuration"
        )
    if longest >= _CELERY_CUTS:
        return f"cut at {longest:,} characters: Celery shortens long arguments in its events"
    return "cut: Celery leaves out of its events what is long or nested deep"
