from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from umbel_backend.errors import InvalidValue
from umbel_backend.settings import DEFAULT_BROKER, Context
from umbel_console import configuration
from umbel_console.configuration import load, read_file
from umbel_console.configuration_keys import CONTEXT_KEYS

FILE = """
[defaults]
broker = "redis://defaults/0"
db = "defaults.db"

[contexts.prod]
broker = "redis://prod/0"
protected = true

[contexts.bare]
"""

OPTION, VARIABLE = {"broker": "redis://option/0"}, {"UMBEL_BROKER": "redis://variable/0"}


def write(folder: Path, text: str) -> str:
    path = folder / "config.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("options", "environ", "context", "text", "broker"),
    [
        (OPTION, VARIABLE, "prod", FILE, "redis://option/0"),
        ({}, VARIABLE, "prod", FILE, "redis://variable/0"),
        ({}, {}, "prod", FILE, "redis://prod/0"),
        ({}, {"UMBEL_CONTEXT": "prod"}, None, FILE, "redis://prod/0"),
        ({}, {"UMBEL_CONTEXT": "bare"}, "prod", FILE, "redis://prod/0"),
        ({}, {}, "bare", FILE, "redis://defaults/0"),
        ({}, {}, None, FILE, "redis://defaults/0"),
        ({}, {}, None, "", DEFAULT_BROKER),
        ({}, {"UMBEL_BROKER": ""}, None, "", DEFAULT_BROKER),
    ],
)
def test_the_first_source_that_names_a_broker_wins(
    tmp_path: Path,
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    context: str | None,
    text: str,
    broker: str,
) -> None:
    settings = load(options, context=context, config=write(tmp_path, text), environ=environ)
    assert settings.context.broker == broker


def test_the_files_own_choice_of_context_is_used_when_nothing_names_a_cluster(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, 'context = "prod"\n' + FILE)
    assert load({}, config=path, environ={}).context.name == "prod"


@pytest.mark.parametrize(
    ("options", "environ"), [(OPTION, {}), ({}, VARIABLE), ({"app": "proj"}, {})]
)
def test_a_named_cluster_is_never_shown_as_the_files_own_context(
    tmp_path: Path, options: Mapping[str, Any], environ: Mapping[str, str]
) -> None:
    path = write(tmp_path, 'context = "prod"\n' + FILE)
    context = load(options, config=path, environ=environ, read_app=lambda _name: {}).context
    assert (context.name, context.protected) == ("default", False)


def test_a_variable_that_overrides_a_named_context_is_pointed_out(tmp_path: Path) -> None:
    notes: list[str] = []
    load({}, context="prod", config=write(tmp_path, FILE), environ=VARIABLE, note=notes.append)
    assert notes == ["UMBEL_BROKER is set and overrides the broker of context 'prod'."]


def test_read_only_can_be_added_anywhere_and_taken_away_nowhere(tmp_path: Path) -> None:
    path = write(tmp_path, "[contexts.prod]\nread_only = true\n[contexts.dev]\n")
    off = {"UMBEL_READ_ONLY": "0"}
    assert load({}, context="prod", config=path, environ=off).context.read_only
    assert load({"read_only": True}, context="dev", config=path, environ=off).context.read_only
    assert not load({}, context="dev", config=path, environ=off).context.read_only


def test_every_context_of_the_file_is_known_by_name(tmp_path: Path) -> None:
    contexts = load({}, config=write(tmp_path, FILE), environ={}).contexts
    assert contexts["prod"] == Context(
        name="prod", broker="redis://prod/0", db=str(tmp_path / "defaults.db"), protected=True
    )
    assert set(contexts) == {"prod", "bare"}


def test_an_app_speaks_with_the_rank_of_the_place_that_named_it(tmp_path: Path) -> None:
    def app(name: str) -> dict[str, Any]:
        return {"broker": f"redis://{name}/0", "event_exchange": "own"}

    path = write(tmp_path, FILE)
    given = load({"app": "proj"}, config=path, environ=VARIABLE, read_app=app).context
    assert (given.broker, given.event_exchange) == ("redis://proj/0", "own")
    spelled = load({"app": "proj", **OPTION}, config=path, environ={}, read_app=app).context
    assert (spelled.broker, spelled.event_exchange) == ("redis://option/0", "own")


def test_the_example_configuration_is_valid() -> None:
    example = Path(__file__).parents[3] / "deploy" / "config.toml"
    file = read_file(example)
    assert file.context == "staging"
    assert file.contexts["production"]["protected"] is True


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('brocker = "x"', "unknown key 'brocker'"),
        ("[contexts.prod]\nbroekr = 'x'", "'contexts.prod.broekr' (did you mean broker?)"),
        ("[contexts.prod]\nbroekr = 'x'", "allowed in [contexts.prod] are app, broker"),
        ("[contexts.prod]\nprotected = 'yes'", "contexts.prod.protected must be true or false"),
        ("[contexts.prod]\nbroker = 6379", "broker must be text in quotes, but it is the number"),
        ("[contexts]\nprod = 1", "contexts.prod must be a table"),
        ("[defaults]\nqueues = [1]", "defaults.queues must be a list of texts"),
        ("tags = 'a'", "tags must be a list of texts, but it is text"),
        ("traceback_bytes = true", "traceback_bytes must be a whole number, but it is true"),
        ("traceback_bytes = 0", "traceback_bytes is 0, but the least allowed is 256"),
        ("refresh_hz = 'fast'", "refresh_hz must be a number, but it is text"),
        ("[key_map]\n'task.cancel' = 3", "key_map.task.cancel must be text"),
        ("context = 'nowhere'", "There is no context 'nowhere' (the key context)"),
        ("tags = [", "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_what_is_allowed(
    tmp_path: Path, text: str, told: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidValue) as raised:
        read_file(Path(path))
    assert told in str(raised.value)
    assert path in str(raised.value)


def test_a_missing_file_is_an_error_only_when_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="does not exist"):
        load({}, config=str(tmp_path / "none.toml"), environ={})
    assert read_file(tmp_path / "none.toml", must_exist=False).contexts == {}


def test_a_variable_that_is_neither_yes_nor_no_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="UMBEL_READ_ONLY is 'maybe'"):
        load({}, config=write(tmp_path, ""), environ={"UMBEL_READ_ONLY": "maybe"})


def test_no_enable_events_can_come_from_a_variable(tmp_path: Path) -> None:
    environ = {"UMBEL_NO_ENABLE_EVENTS": "1"}
    context = load({}, config=write(tmp_path, ""), environ=environ).context
    assert not context.enable_events


def test_variables_stand_for_existing_settings() -> None:
    fields = set(Context.__dataclass_fields__)
    assert set(configuration.VARIABLES.values()) - {"no_enable_events"} <= fields
    assert set(CONTEXT_KEYS) == fields - {"name"}
