"""A file that appears under its name only when it is complete."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from umbel_backend.errors import InvalidValue, UmbelError


@contextmanager
def written_at_once(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` for writing; it takes the name when the block ends well.

    Whatever goes wrong, an exception, Ctrl-C or SIGTERM, leaves what was at ``path`` untouched and
    nothing beside it. A device or pipe is written directly, because it has no half state.

    Raises:
        InvalidValue: There is a file that is not empty, and ``replace`` is false.
        UmbelError: The system does not let it be written.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with _told(path), path.open("wb") as device:
            yield device
        return
    if not replace and path.is_file() and path.stat().st_size > 0:
        raise InvalidValue(f"The file {path} exists; --force replaces it.")
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    with _told(path), _ended_by_sigterm():
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UmbelError(f"The file {path} could not be written: {error.strerror}.") from error


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Make SIGTERM leave the block as an exception, so that it is cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's; whoever writes in another one answers for its end.
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
