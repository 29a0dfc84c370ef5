"""What every tab understands in its command bar, and the bar itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from umbel_console import themes
from umbel_console.screens.frame_lines import TABS
from umbel_console.screens.table_acts import TableActs
from umbel_console.widgets.filter_bar import FilterBar

if TYPE_CHECKING:
    # Loaded after the first frame, which has none.
    from umbel_console.widgets.command_bar import CommandBar


class TypedCommands(TableActs):
    """The part of a tab that is driven by words."""

    def give_command(self, word: str, rest: str) -> None:
        """Let the app do a command that no screen has."""
        raise NotImplementedError

    def do_command_bar(self) -> None:
        """Open the command bar, empty."""
        self.open_command_bar()

    def open_command_bar(self, text: str = "") -> None:
        """Begin to type a command."""
        from umbel_console.widgets.command_bar import CommandBar

        self.query_one(CommandBar).open(text)

    def on_command_bar_left(self, event: CommandBar.Left) -> None:
        """Give the keys back to the table."""
        self.table.focus()

    def commands(self) -> dict[str, Callable[[str], None]]:
        """Return what the command bar understands here: first word to what takes the rest."""
        return {"filter": self._command_filter, "sort": self._command_sort}

    def _command_words(self) -> dict[str, Sequence[str]]:
        """Return the first words and what may follow each, for completion."""
        words: dict[str, Sequence[str]] = {mode: () for mode, _, _ in TABS}
        words["filter"] = ()
        words["sort"] = [c.key for c in self.table.columns if c.sort_key is not None]
        words["theme"] = themes.names()
        words["view"] = self.session.preferences.names("views")
        words["context"] = sorted(self.session.settings.contexts)
        words["help"] = words["quit"] = ()
        words.update((word, ()) for word in self.commands() if word not in words)
        return words

    def on_command_bar_given(self, event: CommandBar.Given) -> None:
        """Do what was typed, or say that it is not understood."""
        word, _, rest = event.text.strip().partition(" ")
        todo = self.commands().get(word)
        if todo is None:
            self.give_command(word, rest.strip())
        else:
            todo(rest.strip())

    def _command_filter(self, text: str) -> None:
        for bar in self.query(FilterBar):
            bar.put(text)

    def _command_sort(self, text: str) -> None:
        name, _, way = text.partition(" ")
        keys = [c.key for c in self.table.columns if c.sort_key is not None]
        if not name:
            self.sort_by(None)
        elif name in keys:
            self.sort_by(name, None if not way else way.startswith("d"))
        else:
            self.say(f"Sort by one of {', '.join(keys)}; nothing sorts as usual.", "warn")
