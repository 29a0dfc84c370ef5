"""Looking for acts by words."""

from __future__ import annotations

import time

import pytest

from umbel_backend.acts.audit_filter import read_audit_filter
from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import done, refused
from umbel_backend.errors import InvalidValue


@pytest.fixture
def filled(door: Door) -> Door:
    with door.job("cancel", ["a1", "b2"], reason="Stuck import") as job:
        job.open(["a1", "b2"])
        job.close("a1", done("gone"))
        job.close("b2", refused("ended"))
    with door.job("operator add", ["a1"], target_kind="operator", in_cluster=False) as job:
        job.open(["a1"])
        job.close("a1", done("100% of_it"))
    return door


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], 3),
        (["target:a1"], 2),
        (["target:A*"], 2),
        (["target:a1 action:cancel"], 1),
        (["target:a1", "action:cancel"], 1),
        (['action:"operator add"'], 1),
        (["action:cancel,operator*"], 3),
        (["kind:operator"], 1),
        (["outcome:refused"], 1),
        (["outcome:done,refused"], 3),
        (["outcome:none"], 0),
        (["outcome:interrupted"], 0),
        (["import"], 2),
        (["b2"], 1),
        (["since:1h"], 3),
        (["until:1h"], 0),
        (["target:a_"], 0),
        (["target:%"], 0),
        (["operator:nobody"], 0),
    ],
)
def test_all_words_have_to_fit(filled: Door, words: list[str], found: int) -> None:
    assert len(filled.log.read(read_audit_filter(words, time.time()))) == found


@pytest.mark.parametrize("word", ["foo:bar", "target:", "since:soon", "until:7"])
def test_a_mistake_is_told_with_what_is_allowed(word: str) -> None:
    with pytest.raises(InvalidValue, match=r"fields of the audit are|is no time"):
        read_audit_filter([word], time.time())
