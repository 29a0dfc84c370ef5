"""``umbel policies`` and ``umbel policy``, as scripts and operators meet them; no broker is there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.command import Umbel
from harness.records import a_task
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.writer import Writer

NOBODY = "redis://127.0.0.1:1/0"
SET = ("policy", "set", "retry", "shop.*")


@pytest.fixture
def site(umbel_inside: Umbel, tmp_path: Path) -> Umbel:
    """Run ``umbel`` on a database with two failures of ``shop.pay``."""
    file = str(tmp_path / "umbel.db")
    engine = open_engine(database_url(file, NOBODY))
    migrations.upgrade(engine)
    errors = ("ConnectionError: x", "KeyError: 'k'")
    failed = [
        a_task(f"t{n}", "FAILURE", time.time(), name="shop.pay", exception=error)
        for n, error in enumerate(errors)
    ]
    Writer(engine).write(Changes(tasks=failed))
    engine.dispose()
    return lambda *words, **more: umbel_inside(*words, UMBEL_DB=file, UMBEL_BROKER=NOBODY, **more)


def test_what_is_not_given_stays_as_it_was(site: Umbel) -> None:
    assert site("policies", "--json").json() == []
    first = site(*SET, "--exceptions", "OSError, KeyError", "--max-retries", "5", "--json")
    [row] = first.json()
    assert (first.code, row["target"], row["outcome"]) == (1, "retry shop.*", "partly")
    assert site(*SET, "--base-delay", "1m", "--never", "LookupError").code == 1
    [policy] = site("policies", "--json").json()
    assert policy.pop("changed_at") is not None
    assert policy.pop("changed_by")
    assert policy == {
        "kind": "retry",
        "pattern": "shop.*",
        "exceptions": ["OSError", "KeyError"],
        "never": ["LookupError"],
        "max_retries": 5,
        "base_delay_s": 60.0,
        "multiplier": 2.0,
        "max_delay_s": 600.0,
        "jitter": 0.1,
    }
    assert site(*SET, "--exceptions", "").code == 1
    assert site("policies", "--json").json()[0]["exceptions"] == []
    listed = site("policies").out
    assert "up to 5 retries of any exception but LookupError after 1 min, 2 min, 4 min" in listed


def test_a_dry_run_tells_what_would_match_and_changes_nothing(site: Umbel) -> None:
    run = site(*SET, "--exceptions", "OSError", "--dry-run")
    assert run.code == 0
    assert "shop.pay" in run.out
    assert "Of 2 failures in 7 days it would have retried 1." in run.err
    [told] = site(*SET, "--exceptions", "OSError", "--dry-run", "--json").json()
    assert told["outcome"] == "dry run"
    assert told["names"] == [{"name": "shop.pay", "failed": 2, "matching": 1, "unsure": 0}]
    assert site("policies", "--json").json() == []
    assert site("audit", "--json").json() == []
    assert site("policy", "delete", "retry", "shop.*", "--dry-run").code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jitter", "2"], "jitter is 2"),
        (["--max-retries", "0"], "max_retries is 0"),
        (["--base-delay", "soon"], "is not a duration"),
        (["--base-delay", "20m"], "max_delay_s is 600, which is less"),
        (["--exceptions", "Key Error"], "exceptions has 'Key Error'"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_audited(
    site: Umbel, words: list[str], said: str
) -> None:
    run = site(*SET, *words)
    assert run.code == 2
    assert said in run.err
    assert site("audit", "--json").json() == []


def test_on_a_protected_context_with_nobody_to_ask_yes_is_needed(
    site: Umbel, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[contexts.prod]\nbroker = "{NOBODY}"\nprotected = true\n')
    words = ("--config", str(config), "--context", "prod", *SET)
    refused = site(*words)
    assert (refused.code, "--yes is needed" in refused.err) == (2, True)
    assert site("policies", "--json").json() == []
    assert site(*words, "--yes").code == 1
    assert len(site("policies", "--json").json()) == 1


def test_a_policy_that_is_not_there_cannot_be_deleted(site: Umbel) -> None:
    run = site("policy", "delete", "retry", "shop.*")
    assert (run.code, "There is no retry policy for 'shop.*'" in run.err) == (1, True)
    assert site("--read-only", *SET).code == 4
