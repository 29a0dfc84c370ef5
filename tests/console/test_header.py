from __future__ import annotations

import pytest
from rich.cells import cell_len

from fake_console.world import NOW
from umbel_backend import settings
from umbel_console.render import header
from umbel_console.render.context import DrawContext
from umbel_console.render.header import HeaderFacts, header_line

DRAW = DrawContext(now=NOW)


def facts(**fields: object) -> HeaderFacts:
    whole: dict[str, object] = {
        "context": "prod",
        "broker": "redis://cache-1:6379/0",
        "state": "live",
        "lag_s": 0.2,
        "rate": 1204.4,
        "recorder": "rec ops-2",
        "workers_online": 3,
        "workers_known": 3,
    }
    return HeaderFacts(**{**whole, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 120, 200])
def test_it_has_the_width_of_the_terminal_and_keeps_context_and_freshness(width: int) -> None:
    line = header_line(facts(), DRAW, width).plain
    assert cell_len(line) == width
    if width >= 40:
        assert "PROD" in line
        assert "live 0.2 s" in line


def test_the_whole_line_at_120_columns() -> None:
    line = " ".join(header_line(facts(), DRAW, 120).plain.split())
    assert line == (
        "umbel PROD redis://cache-1:6379/0 ● live 0.2 s 1,204 ev/s 0 dropped rec ops-2 3/3 workers"
    )


def test_losses_are_told_before_the_broker_and_the_rate() -> None:
    line = header_line(facts(dropped=7, gaps=2), DRAW, 64).plain
    assert "7 dropped" in line
    assert "2 gaps" in line
    assert "redis://" not in line


def test_silence_is_told() -> None:
    assert "live, no event for 42s" in header_line(facts(quiet_s=42.0), DRAW, 120).plain


def test_not_being_connected_is_told_with_how_long() -> None:
    line = header_line(facts(state="reconnecting", since_s=75), DRAW, 120).plain
    assert "not connected for 1m, trying again" in line


def test_care_is_written_not_only_coloured() -> None:
    assert "PROD · PROTECTED" in header_line(facts(protected=True), DRAW, 120).plain
    assert "PROD · READ ONLY" in header_line(facts(read_only=True), DRAW, 120).plain


def test_every_colour_of_the_configuration_is_a_banner_of_its_own() -> None:
    assert tuple(header.COLOURS) == settings.COLOURS
    styles = {str(header._banner(facts(colour=each), DRAW).style) for each in settings.COLOURS}
    assert len(styles) == len(settings.COLOURS)


def test_a_wide_header_tells_who_one_is() -> None:
    assert header_line(facts(who="alice·admin"), DRAW, 140).plain.endswith(
        "3/3 workers   alice·admin "
    )
    assert "alice" not in header_line(facts(who="alice·admin"), DRAW, 80).plain
