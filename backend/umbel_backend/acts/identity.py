"""Who is acting: the operating system's user on this host, and where they came from."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from umbel_backend.events.text import clean

_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Identity:
    """One operator as the audit names them."""

    name: str
    """The user's name, from the password database; never from a variable that anybody can set."""
    origin: str
    """``ops-2``, ``ops-2, ssh from 10.0.0.5``, ``ops-2, ssh from 10.0.0.5, sudo by alice``. What follows
    the host comes from the session's variables: a hint, and no proof."""


def whoami(environ: Mapping[str, str] = os.environ) -> Identity:
    """Return who runs this process.

    Args:
        environ: Where ``SSH_CONNECTION`` and ``SUDO_USER`` are read.
    """
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:
        name = f"uid {number}"
    parts = [socket.gethostname()]
    address = environ.get("SSH_CONNECTION", "").split(" ")[0]
    if address:
        parts.append(f"ssh from {address}")
    if environ.get("SUDO_USER"):
        parts.append(f"sudo by {environ['SUDO_USER']}")
    return Identity(clean(name, _LIMIT), clean(", ".join(parts), _LIMIT))
