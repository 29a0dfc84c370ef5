"""What the documents say is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from umbel_console import actions
from umbel_console.actions_page import page

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


def test_the_page_of_actions_is_the_registry() -> None:
    written = (ROOT / "docs" / "actions.md").read_text(encoding="utf-8")
    assert written == page(), "docs/actions.md is not up to date: run `make docs`."


def test_the_page_of_actions_has_every_action() -> None:
    assert {action.scope for action in actions.REGISTRY} <= set(actions.TITLES)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_a_document_points_to_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text)
    assert [link for link in links if not (path.parent / link).exists()] == []
