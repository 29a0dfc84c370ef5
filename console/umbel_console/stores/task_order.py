"""A task to be run as an operator types it: every field read, the first mistake told, names completed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from umbel_backend.errors import InvalidValue
from umbel_console.acting import TaskOrder
from umbel_console.stores import arguments
from umbel_console.stores.arguments import Mistake

FIELDS = ("name", "queue", "priority", "eta", "expires", "tags")
"""What is typed besides the arguments."""
MOST_OFFERED = 8


def read(
    typed: Mapping[str, str], json_text: str, levels: Mapping[str, int], now: float
) -> TaskOrder | str:
    """Return what is to be run, or what is wrong, one sentence.

    Args:
        typed: By name of `FIELDS`; an empty text leaves it out.
        json_text: The arguments.
        levels: What the words for priorities stand for on this broker.
        now: Unix seconds that a delay counts from.
    """
    from umbel_backend.acts.ordering import read_priority, read_tags, read_time_ahead

    values = {name: typed.get(name, "").strip() for name in FIELDS}
    if not values["name"] or " " in values["name"]:
        return "Name the task, as its workers register it: shop.mail.send"
    found = arguments.read(json_text)
    if isinstance(found, Mistake):
        return f"Arguments, line {found.line}, column {found.column}: {found.words}"
    eta, expires, priority = values["eta"], values["expires"], values["priority"]
    try:
        order = TaskOrder(
            name=values["name"],
            args=found.args,
            kwargs=found.kwargs,
            queue=values["queue"] or None,
            priority=read_priority("Priority", priority, levels) if priority else None,
            eta=read_time_ahead("Not before", eta, now) if eta else None,
            expires=read_time_ahead("Expires", expires, now) if expires else None,
            tags=read_tags("A tag", values["tags"].split()),
        )
    except InvalidValue as error:
        return str(error)
    if order.eta is not None and order.expires is not None and order.expires <= order.eta:
        return "It would expire before it may begin."
    return order


def offered(begun: str, names: Iterable[str]) -> Sequence[str]:
    """Return the names that could be meant: those that begin so, then those that hold it."""
    low = begun.strip().lower()
    known = sorted(set(names))
    first = [name for name in known if name.lower().startswith(low)]
    within = [name for name in known if low in name.lower() and name not in set(first)]
    return [*first, *within][:MOST_OFFERED]
