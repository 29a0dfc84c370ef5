"""Secrets passed by position: which arguments of a task have a name that is redacted.

A text or message says only where an argument stands; the name comes from the signature of the task's
function, in a process that has the task. When in doubt, too much is hidden rather than too little.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from umbel_agent.redact import HIDDEN, value_end

_UNSURE = re.compile(r"\\|(?<!\w)b['\"]|<")
"""In what Celery prints, a backslash, bytes or an object's own repr may end elsewhere than they seem to."""
_PLAIN = re.compile(r"[\w.+-]*")


@dataclass(frozen=True, slots=True)
class SecretPositions:
    """Where a task's arguments have names to redact."""

    at: frozenset[int]
    after: int | None
    """From here on all, the values of ``*names``; None for no such thing."""

    @property
    def first(self) -> int:
        """The first position of all."""
        places = [*self.at] if self.after is None else [*self.at, self.after]
        return min(places)

    def has(self, position: int) -> bool:
        """Tell whether the argument at ``position`` is to be hidden."""
        return position in self.at or (self.after is not None and position >= self.after)

    def follow(self, position: int) -> bool:
        """Tell whether ``position`` or one behind it is to be hidden."""
        return self.after is not None or position <= max(self.at)


class Positions:
    """Knows of every task of an app which positional arguments are secrets.

    Args:
        tasks: Returns the tasks registered so far, by name.
        words: Of which one is in a redacted name, whatever the case.
    """

    def __init__(self, tasks: Callable[[], Mapping[str, Any]], words: Iterable[str]) -> None:
        self._tasks = tasks
        self._words = tuple(word.lower() for word in words)
        self._known: dict[str, SecretPositions | None] = {}
        self._named: tuple[bytes, ...] = ()
        self._looked_at = -1

    def of(self, name: str) -> SecretPositions | None:
        """Return the secret positions of the task called ``name``; None if it has none, or is not here."""
        try:
            return self._known[name]
        except KeyError:
            task = self._tasks().get(name)
            if task is None:
                return None
            found = self._known[name] = secret_positions(task, self._words)
            return found

    def hide(self, name: str, args: str) -> str:
        """Return ``args``, Celery's ``argsrepr`` for a run of ``name``, with secrets as ``***``."""
        positions = self.of(name)
        if positions is None or not args:
            return args
        return "".join(_without(positions, args))

    def in_message(self, name: str, content_type: str, body: bytes) -> bool:
        """Tell whether a message of the task ``name`` gives a secret by position.

        To the task itself, or to one that its chain, chord or callbacks name. Bodies other than JSON and
        msgpack are not opened: of a task that could be given one, they count as holding it.
        """
        if self.of(name) is None and not any(other in body for other in self._names()):
            return False
        try:
            if "json" in content_type:
                value = json.loads(body)
            elif "msgpack" in content_type:
                import msgpack

                value = msgpack.unpackb(body, strict_map_key=False, raw=False)
            else:
                return True
            own = value[0] if isinstance(value, list) and value else []
            return self._are_given(name, len(own), 0) or self._in_signatures(value)
        except Exception:
            return True

    def _are_given(self, name: object, count: int, shift: int) -> bool:
        positions = self.of(name) if isinstance(name, str) else None
        return positions is not None and count > 0 and positions.first < count + shift

    def _in_signatures(self, value: object) -> bool:
        waiting = [value]
        while waiting:
            one = waiting.pop()
            if isinstance(one, dict):
                args = one.get("args")
                if "task" in one and isinstance(args, list):
                    # The result of the task before goes in front, unless the signature is immutable.
                    shift = 0 if one.get("immutable") else 1
                    if self._are_given(one["task"], len(args), shift):
                        return True
                waiting.extend(one.values())
            elif isinstance(one, list):
                waiting.extend(one)
        return False

    def _names(self) -> tuple[bytes, ...]:
        """Return the names of all tasks that have secret positions, as they are in bodies."""
        tasks = self._tasks()
        if len(tasks) != self._looked_at:
            self._looked_at = len(tasks)
            secret = [name for name in list(tasks) if self.of(name) is not None]
            self._named = tuple(
                {
                    form
                    for name in secret
                    for form in (name.encode(), json.dumps(name)[1:-1].encode())
                }
            )
        return self._named


def secret_positions(task: Any, words: tuple[str, ...]) -> SecretPositions | None:
    """Return which positional arguments of ``task`` have a name with one of ``words`` in it.

    None also where the signature cannot be known: a decorator that does not keep it.
    """
    try:
        parameters = inspect.signature(task.run).parameters.values()
    except (TypeError, ValueError, AttributeError):
        return None
    at: set[int] = set()
    after: int | None = None
    for position, parameter in enumerate(parameters):
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            break
        if any(word in parameter.name.lower() for word in words):
            if parameter.kind is parameter.VAR_POSITIONAL:
                after = position
            else:
                at.add(position)
    return SecretPositions(frozenset(at), after) if at or after is not None else None


def _without(positions: SecretPositions, args: str) -> Iterator[str]:
    """Yield the parts of ``args`` without its secrets; from where it cannot be read, nothing more."""
    if args[0] not in "([":
        yield HIDDEN
        return
    yield args[0]
    start, position = 1, 0
    while start < len(args) and args[start] not in ")]":
        if not positions.follow(position):
            yield args[start:]
            return
        end = value_end(args, start)
        if not _is_sure(args, start, end):
            yield HIDDEN
            return
        yield f"'{HIDDEN}'" if positions.has(position) else args[start:end]
        gap = 2 if args.startswith(", ", end) else 1
        yield args[end : end + gap]
        start, position = end + gap, position + 1
    yield args[start:]


def _is_sure(args: str, start: int, end: int) -> bool:
    """Tell whether the argument in ``args[start:end]`` surely ends there."""
    found = _PLAIN.match(args, start, end)
    is_one_word = found is not None and found.end() == end > start
    is_closed = end > start and args[end - 1] in "'\")]}"
    return (
        (is_one_word or is_closed)
        and args[end : end + 1] in (",", ")", "]")
        and _UNSURE.search(args, start, end) is None
    )
