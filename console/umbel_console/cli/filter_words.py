"""The words of a command line that are a filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from umbel_backend.filters.fields import REDIS_LEVELS
from umbel_backend.filters.parse import parse
from umbel_backend.filters.tree import Filter

if TYPE_CHECKING:
    from umbel_backend.settings import Context

F = TypeVar("F", bound=Callable[..., Any])

# RabbitMQ serves the highest number first.
AMQP_LEVELS = {"high": 9, "normal": 5, "low": 1}


def filter_argument(command: F) -> F:
    """Give ``command`` the argument ``filter_words``: all words that are no options."""
    return click.argument(
        "filter_words", nargs=-1, metavar="[FILTER]", shell_complete=_complete_word
    )(command)


def read_filter(words: Sequence[str], context: Context) -> Filter:
    """Return the filter that ``words``, joined by spaces, make.

    Raises:
        InvalidFilter: They make none.
    """
    from umbel_backend.broker.urls import AMQP_TRANSPORTS, transport_of

    is_amqp = transport_of(context.broker) in AMQP_TRANSPORTS
    return parse(" ".join(words), levels=AMQP_LEVELS if is_amqp else REDIS_LEVELS)


def _complete_word(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete field names and states; what only the database knows would be too slow."""
    from umbel_backend.filters.complete import complete

    before, incomplete = _before_colon(context.params.get("filter_words") or (), incomplete)
    text = before + incomplete
    found = complete(text, len(text))
    return [CompletionItem((text[: found.start] + o.text)[len(before) :]) for o in found.options]


def _before_colon(words: Sequence[str], incomplete: str) -> tuple[str, str]:
    """Undo what bash does to ``state:F``: three words, of which it completes the last."""
    if incomplete == ":" and words:
        return f"{words[-1]}:", ""
    if len(words) > 1 and words[-1] == ":":
        return f"{words[-2]}:", incomplete
    return "", incomplete
