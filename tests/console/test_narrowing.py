from __future__ import annotations

import pytest

from umbel_backend.errors import InvalidFilter
from umbel_console.stores.narrowing import matches, read

FACTS = {"worker": ["w1@App-1"], "queue": ["high", "default"], "other": ["not answering"]}


@pytest.mark.parametrize(
    "text",
    ["w1", "app-1", "HIGH", "queue:high", "queue:h*", "-w2", "answering", "queue:low OR w1", ""],
)
def test_a_filter_that_fits_matches(text: str) -> None:
    assert matches(read(text, ("worker", "queue")).root if text else None, FACTS)


@pytest.mark.parametrize("text", ["w2", "queue:hig", "-high", "w1 queue:low", "worker:w1"])
def test_a_filter_that_does_not_fit_does_not_match(text: str) -> None:
    assert not matches(read(text, ("worker", "queue")).root, FACTS)


def test_what_only_tasks_have_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidFilter) as caught:
        read("w1 runtime:>5", ("worker", "queue"))
    assert (caught.value.position, caught.value.length) == (3, 7)
