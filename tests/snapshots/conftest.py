"""A terminal with all colours, whatever the one the tests are started from."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _colourful_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
