"""Pages of history in the order of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from umbel_backend.db.query import run_async
from umbel_backend.db.statements import sorted_tasks
from umbel_backend.db.statements.sorted_tasks import Place
from umbel_console.services import Order, Page

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass(frozen=True, slots=True)
class _Turn:
    """Where to go on from a page, and which way."""

    place: Place
    is_back: bool


async def sorted_page(
    engine: AsyncEngine,
    where: sa.ColumnElement[bool] | None,
    at: Any,
    limit: int,
    order: Order,
) -> Page:
    """Read one page of the tasks that meet ``where``, all of them if it is None, in ``order``.

    Args:
        engine: Of the database.
        where: A filter's condition.
        at: From another page in the same order; None is the first.
        limit: Most tasks.
        order: What they are ordered by.
    """
    turn = at if isinstance(at, _Turn) else None
    place = None if turn is None else turn.place
    is_back = turn is not None and turn.is_back
    found = await run_async(
        engine,
        sorted_tasks.page(
            order.key,
            where,
            descending=order.descending,
            after=None if is_back else place,
            before=place if is_back else None,
            limit=limit,
        ),
    )
    if is_back and not found.more:
        # Less than a page is left on the way back: show the first page whole.
        return await sorted_page(engine, where, None, limit, order)
    has_next = found.last is not None and (is_back or found.more)
    return Page(
        records=found.tasks,
        newer=None if turn is None or found.first is None else _Turn(found.first, True),
        older=_Turn(found.last, False) if found.last is not None and has_next else None,
        among=found.among,
    )
