"""Which fields a filter may name, for each kind of record, and how each one is compared.

A field set is all that parser, completion and both back ends know of a record: another kind of
record (workers, audit entries) gets its own set, not another parser.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from umbel_backend import states


class Kind(StrEnum):
    """How the values of a field are read and compared."""

    TEXT = "text"
    """Equal, or like a wildcard, ignoring the case of ASCII letters."""
    ID = "id"
    """Equal, or like a wildcard, as written or all in lower or all in upper case: ids tell cases
    apart, and an index over them that does not would cost more than it finds."""
    EXCEPTION = "exception"
    """As text, with the class before the first colon or with the whole."""
    STATE = "state"
    """One of Celery's states, whatever the case it is typed in."""
    WORDS = "words"
    """Holds words that begin with those asked for, one after the other."""
    NUMBER = "number"
    PRIORITY = "priority"
    """A number, or the word for a level."""
    DURATION = "duration"
    INSTANT = "instant"
    SINCE = "since"
    UNTIL = "until"


COMPARED: Final = frozenset({Kind.NUMBER, Kind.PRIORITY, Kind.DURATION, Kind.INSTANT})
"""Kinds that take ``> < >= <=``."""

RUNNING: Final = (states.STARTED, states.PAUSED)
"""States in which the runtime of a task that has started is the time since."""

REDIS_LEVELS: Final[Mapping[str, int]] = {"high": 0, "normal": 3, "low": 9}
"""Priority levels where 0 is served first; a context may map the words to other numbers."""


@dataclass(frozen=True, slots=True)
class Field:
    """One name that may stand before the colon."""

    name: str
    kind: Kind
    sources: tuple[str, ...]
    """Record attributes and table columns (the same names) that are compared; any may match."""
    meaning: str
    """Half a sentence for completion and help."""
    always_known: bool = False
    """The field has a value in every record, so ``field:""`` is a mistake."""
    tag: str | None = None
    """The key, for ``tag.KEY``."""
    heads: tuple[str, ...] = ()
    """For words: ids that match too when they begin with the text as it was written."""


@dataclass(frozen=True, slots=True)
class FieldSet:
    """The fields of one kind of record."""

    noun: str
    """What the records are called in messages, plural."""
    fields: Mapping[str, Field]
    bare: Field
    """What a word without a field searches; its name is empty."""
    has_tags: bool = False
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Fields of other kinds of record, each with the noun of that kind."""

    def find(self, name: str) -> Field | None:
        """Return the field called ``name``, whatever its case; the key of a tag keeps its own."""
        head, dot, key = name.partition(".")
        if self.has_tags and dot and key and head.lower() == "tag":
            return Field(f"tag.{key}", Kind.TEXT, ("tags",), f"tag {key}", tag=key)
        return self.fields.get(name.lower())

    def names(self) -> list[str]:
        """Return every name in the order of the documentation, tags as ``tag.KEY``."""
        listed = list(self.fields)
        if self.has_tags:
            listed.insert(listed.index("priority") + 1 if "priority" in listed else 0, "tag.KEY")
        return listed

    def complaint(self, name: str) -> str:
        """Return what to tell somebody who asked for the unknown field ``name``."""
        if name.lower() in self.elsewhere:
            noun = self.elsewhere[name.lower()]
            return f"The field {name.lower()} is known of {noun}, not of {self.noun}"
        near = nearest(name.lower(), self.fields)
        guess = f", did you mean {near}? The" if near else "; the"
        return f'There is no field "{name}"{guess} fields are {", ".join(self.names())}'


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of ``known`` that ``word`` is most likely a slip of, if any is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _set_of(*fields: Field) -> Mapping[str, Field]:
    return {each.name: each for each in fields}


TASK_FIELDS: Final = FieldSet(
    noun="tasks",
    fields=_set_of(
        Field("state", Kind.STATE, ("state",), "state, as Celery spells it", always_known=True),
        Field("name", Kind.TEXT, ("name",), "registered task name"),
        Field("id", Kind.ID, ("id",), "task id", always_known=True),
        Field("worker", Kind.TEXT, ("worker",), "node name, w1@host"),
        Field("queue", Kind.TEXT, ("queue",), "queue it was sent to"),
        Field("priority", Kind.PRIORITY, ("priority",), "number in the message, or its level"),
        Field("root", Kind.ID, ("root_id",), "id of the first task of its workflow"),
        Field("parent", Kind.ID, ("parent_id",), "id of the task that sent it"),
        Field("group", Kind.ID, ("group_id",), "id of its group"),
        Field("retries", Kind.NUMBER, ("retries",), "how often it was retried", always_known=True),
        Field("runtime", Kind.DURATION, ("runtime_s",), "how long it ran, or has run so far"),
        Field("wait", Kind.DURATION, ("wait_s",), "how long it waited for its start"),
        Field("since", Kind.SINCE, ("state_at",), "last change of state at or after", True),
        Field("until", Kind.UNTIL, ("state_at",), "last change of state before", True),
        Field("sent", Kind.INSTANT, ("sent_at",), "when it was sent"),
        Field("started", Kind.INSTANT, ("started_at",), "when it began to run"),
        Field("finished", Kind.INSTANT, ("finished_at",), "when it ended"),
        Field("exc", Kind.EXCEPTION, ("exception",), "exception class, or class and message"),
        Field(
            "text",
            Kind.WORDS,
            ("args", "kwargs", "result", "exception"),
            "words in arguments, result or error",
        ),
        Field("args", Kind.TEXT, ("args", "kwargs"), "positional or keyword arguments, whole"),
        Field("result", Kind.TEXT, ("result",), "return value, whole"),
    ),
    bare=Field(
        "",
        Kind.WORDS,
        ("name", "args", "kwargs", "result", "exception"),
        "words in name, arguments, result or error, or the beginning of the id",
        heads=("id",),
    ),
    has_tags=True,
    elsewhere={"operator": "audit entries"},
)
"""Fields of a task, in the order of the documentation."""
