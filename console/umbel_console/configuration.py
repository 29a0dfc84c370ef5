"""Where settings come from: options, ``UMBEL_*`` variables, ``config.toml``, the user's own app.

A value is looked for in this order, and the first that has it wins: option, variable, the chosen
context of the file, the file's ``[defaults]``, built-in. ``-A`` stands for all that the app's own
configuration says, ranked where it was given, just below what is spelled out there.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import platformdirs

from umbel_backend.errors import InvalidValue
from umbel_backend.settings import Context, Settings
from umbel_console.configuration_keys import (
    CONTEXT_KEYS,
    SETTINGS_KEYS,
    boolean_text,
    checked,
    checked_table,
)

Layer = Mapping[str, Any]
"""Values one source gave, by the name of their `Context` field."""

VARIABLES = {
    "UMBEL_BROKER": "broker",
    "UMBEL_APP": "app",
    "UMBEL_RESULT_BACKEND": "result_backend",
    "UMBEL_DB": "db",
    "UMBEL_REDIS": "stream",
    "UMBEL_READ_ONLY": "read_only",
    "UMBEL_NO_ENABLE_EVENTS": "no_enable_events",
}
"""Variable to the option it stands for; ``UMBEL_CONTEXT`` and ``UMBEL_CONFIG`` besides."""


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """What one configuration file says, checked."""

    path: Path
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    defaults: Layer = dataclasses.field(default_factory=dict)
    contexts: Mapping[str, Layer] = dataclasses.field(default_factory=dict)
    context: str | None = None
    """The context to use where none is named."""


def default_path() -> Path:
    """Return where the configuration file is looked for when ``--config`` does not say."""
    return platformdirs.user_config_path("umbel") / "config.toml"


def read_file(path: Path, *, must_exist: bool = True) -> File:
    """Return the checked content of ``path``; an empty one if it may be missing and is.

    Raises:
        InvalidValue: It cannot be read, is not TOML, or holds an unknown key or a wrong type.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise InvalidValue(f"The configuration file {path} does not exist.") from None
        return File(path)
    except OSError as error:
        raise InvalidValue(
            f"The configuration file {path} cannot be read: {error.strerror}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(
            f"The configuration file {path} is not valid TOML: {str(error).rstrip('.')}."
        ) from error
    return _checked_file(path, tables)


def _checked_file(path: Path, tables: dict[str, Any]) -> File:
    contexts = checked("contexts", tables.pop("contexts", {}), dict, path)
    defaults = tables.pop("defaults", {})
    context = tables.pop("context", None)
    file = File(
        path,
        settings=checked_table("", tables, SETTINGS_KEYS, path),
        defaults=_context_table("defaults", defaults, path),
        contexts={
            name: _context_table(f"contexts.{name}", table, path)
            for name, table in contexts.items()
        },
        context=None if context is None else checked("context", context, str, path),
    )
    if file.context is not None:
        _context_of(file, file.context, "the key context")
    return file


def _context_table(where: str, table: object, path: Path) -> dict[str, Any]:
    values = checked_table(where, checked(where, table, dict, path), CONTEXT_KEYS, path)
    db = values.get("db")
    if db and "://" not in db:
        # Not the folder somebody happens to be in: a service and an operator share the file.
        values["db"] = str(path.absolute().parent / Path(db).expanduser())
    return values


def _context_of(file: File, name: str, source: str) -> Layer:
    if name in file.contexts:
        return file.contexts[name]
    known = ", ".join(sorted(file.contexts)) or "none"
    raise InvalidValue(
        f"There is no context {name!r} ({source}); contexts in {file.path} are: {known}."
    )


def variables(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the layer that the ``UMBEL_*`` variables make; an empty variable counts as unset."""
    layer: dict[str, Any] = {}
    for variable, key in VARIABLES.items():
        text = environ.get(variable, "")
        if not text:
            continue
        if key == "no_enable_events":
            if boolean_text(variable, text):
                layer["enable_events"] = False
        elif key == "read_only":
            layer["read_only"] = boolean_text(variable, text)
        else:
            layer[key] = text
    return layer


def load(
    options: Layer,
    *,
    context: str | None = None,
    config: str | None = None,
    environ: Mapping[str, str] = os.environ,
    app_layer: Layer | None = None,
    read_app: Callable[[str], Layer] | None = None,
    note: Callable[[str], None] = lambda _sentence: None,
) -> Settings:
    """Return the settings for one run.

    Args:
        options: What the command line gave, by `Context` field.
        context: ``--context``.
        config: ``--config``.
        environ: Where the ``UMBEL_*`` variables are read.
        app_layer: What a Celery app that is already loaded says, ranked just below the options.
        read_app: Finds out what the app named by ``-A`` says; by default a subprocess imports it.
        note: Takes a sentence the operator should see although nothing is wrong.

    Raises:
        InvalidValue: The file, a variable or a name in them is not usable.
    """
    file = _file(config, environ)
    from_environ = variables(environ)
    layers: list[Layer] = [options, *([app_layer] if app_layer else []), from_environ]
    name, chosen = _chosen_context(file, layers, context, environ)
    if context is not None:
        _note_overrides(name, chosen, from_environ, note)
    layers += [chosen, file.defaults]
    return Settings(
        context=_context(name, layers, read_app or read_app_in_subprocess),
        contexts={
            each: _context(each, [layer, file.defaults], None)
            for each, layer in file.contexts.items()
        },
        **file.settings,
    )


def settings_for(
    context: Context, *, config: str | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return settings for a ``context`` of our own making, all else as the file says."""
    return Settings(context=context, **_file(config, environ).settings)


def _file(config: str | None, environ: Mapping[str, str]) -> File:
    path = config or environ.get("UMBEL_CONFIG")
    if path:
        return read_file(Path(path).expanduser())
    return read_file(default_path(), must_exist=False)


def _chosen_context(
    file: File, given: list[Layer], option: str | None, environ: Mapping[str, str]
) -> tuple[str, Layer]:
    """Find the context to use; the file's choice counts only while nothing names a cluster.

    Otherwise a URL typed for one cluster would be shown under the name, and recorded into the
    database, of another.
    """
    if option:
        return option, _context_of(file, option, "--context")
    variable = environ.get("UMBEL_CONTEXT")
    if variable:
        return variable, _context_of(file, variable, "UMBEL_CONTEXT")
    if file.context is not None and not any("broker" in layer or "app" in layer for layer in given):
        return file.context, file.contexts[file.context]
    return "default", {}


def _note_overrides(
    name: str, chosen: Layer, from_environ: Layer, note: Callable[[str], None]
) -> None:
    for variable, key in VARIABLES.items():
        if key in ("broker", "app", "db") and key in from_environ and key in chosen:
            note(f"{variable} is set and overrides the {key} of context {name!r}.")


def _context(name: str, layers: list[Layer], read_app: Callable[[str], Layer] | None) -> Context:
    """Merge ``layers``, first one first; ``read_app`` None leaves the app unread."""
    stacked: list[Layer] = []
    app: str | None = None
    for layer in layers:
        stacked.append(layer)
        if app is None and layer.get("app"):
            app = layer["app"]
            if read_app is not None:
                stacked.append(read_app(app))
    merged: dict[str, Any] = {}
    for layer in stacked:
        merged = {**layer, **merged}
    for guard in ("read_only", "protected"):
        # Whoever asks for care gets it: a level can add a guard, never take one away.
        merged[guard] = any(layer.get(guard, False) for layer in stacked)
    return Context(name=name, **{k: v for k, v in merged.items() if v is not None})


def with_app(context: Context) -> Context:
    """Return ``context`` completed with what its app says, for one switched to while running."""
    if context.app is None:
        return context
    plain = Context()
    given = {
        field.name: getattr(context, field.name)
        for field in dataclasses.fields(context)
        if getattr(context, field.name) != getattr(plain, field.name)
    }
    given.pop("name", None)
    return _context(context.name, [given], read_app_in_subprocess)


def read_app_in_subprocess(app: str) -> Layer:
    """Return what the app named ``app`` says; see `umbel_console.app_configuration`."""
    from umbel_console.app_configuration import read_app

    return read_app(app)
