"""What an operator filtered for lately, and the views kept under a name, between runs."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from umbel_backend.errors import InvalidValue
from umbel_console.preferences import Preferences

MOST_RECENT: Final = 50
MOST_VIEWS: Final = 200
LONGEST_NAME: Final = 40
_LONGEST_TEXT: Final = 10_000
_SECTION: Final = "views"


class View(Struct, frozen=True, kw_only=True):
    """A way to look at Tasks or History."""

    name: str
    mode: str = "tasks"
    """The tab it belongs to, ``tasks`` or ``history``."""
    text: str = ""
    """Its filter, as it was typed; it need not be one any more."""
    sort: str | None = None
    """Column it is ordered by; None is the tab's own order."""
    descending: bool = False
    section: str | None = None
    """The only section shown; None shows all."""


class SavedViews:
    """Views by name.

    Args:
        preferences: Where they are kept.
    """

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    def all(self) -> list[View]:
        """Return every view in the order of the alphabet."""
        found = (self._read(name) for name in self._preferences.names(_SECTION))
        return sorted((view for view in found if view is not None), key=_alphabetic)

    def get(self, name: str) -> View | None:
        """Return the view called ``name``, or the only one called so but for upper and lower case."""
        exact = self._read(_tidy(name))
        if exact is not None:
            return exact
        near = [view for view in self.all() if view.name.lower() == _tidy(name).lower()]
        return near[0] if len(near) == 1 else None

    def save(self, view: View) -> bool:
        """Keep ``view``; return whether it took the place of another one of that name.

        Raises:
            InvalidValue: The name is empty or too long, or there are too many views.
        """
        name = _checked(view.name)
        replaces = self._read(name) is not None
        if not replaces and len(self._preferences.names(_SECTION)) >= MOST_VIEWS:
            raise InvalidValue(f"There are {MOST_VIEWS} views already; delete one first.")
        self._preferences.put(
            _SECTION,
            name,
            {
                "mode": view.mode,
                "filter": view.text,
                "sort": view.sort,
                "descending": view.descending,
                "section": view.section,
            },
        )
        return replaces

    def rename(self, old: str, new: str) -> None:
        """Give the view ``old`` the name ``new``.

        Raises:
            InvalidValue: There is no such view, or ``new`` is empty, too long or taken.
        """
        view, name = self._read(old), _checked(new)
        if view is None:
            raise InvalidValue(f'There is no view "{old}".')
        if name == old:
            return
        if self._read(name) is not None:
            raise InvalidValue(f'There is a view "{name}" already.')
        self._preferences.put(_SECTION, name, self._preferences.get(_SECTION, old))
        self._preferences.put(_SECTION, old, None)

    def delete(self, name: str) -> None:
        """Forget the view called ``name``, if there is one."""
        self._preferences.put(_SECTION, name, None)

    def _read(self, name: str) -> View | None:
        kept = self._preferences.get(_SECTION, name)
        if not isinstance(kept, dict):
            return None
        sort, section = kept.get("sort"), kept.get("section")
        return View(
            name=name,
            mode="history" if kept.get("mode") == "history" else "tasks",
            text=str(kept.get("filter") or "")[:_LONGEST_TEXT],
            sort=sort if isinstance(sort, str) else None,
            descending=kept.get("descending") is True,
            section=section if isinstance(section, str) else None,
        )


class RecentFilters:
    """Filters that were kept by ``enter`` or left behind, the newest first, each once.

    Args:
        preferences: Where they are kept.
    """

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    def all(self) -> list[str]:
        """Return them, at most `MOST_RECENT`."""
        kept: Any = self._preferences.get("filters", "recent", [])
        texts = kept if isinstance(kept, list) else []
        return [text for text in texts if isinstance(text, str)][:MOST_RECENT]

    def remember(self, text: str) -> None:
        """Put ``text`` in front; nothing is put for an empty one."""
        text = text.strip()
        recent = self.all()
        if not text or recent[:1] == [text]:
            return
        others = [other for other in recent if other != text]
        self._preferences.put("filters", "recent", [text, *others][:MOST_RECENT])


def _tidy(name: str) -> str:
    return " ".join(name.split())


def _checked(name: str) -> str:
    name = _tidy(name)
    if not name:
        raise InvalidValue("A view needs a name.")
    if len(name) > LONGEST_NAME:
        raise InvalidValue(f"The name of a view has at most {LONGEST_NAME} characters.")
    if not name.isprintable():
        raise InvalidValue("The name of a view is made of characters that can be seen.")
    return name


def _alphabetic(view: View) -> tuple[str, str]:
    return view.name.lower(), view.name
