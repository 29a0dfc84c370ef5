"""Why an outside call failed, as the end of one plain sentence: "the connection was refused"."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable, Iterator

from umbel_agent.redact import HIDDEN
from umbel_backend.events.text import clean

_LIMIT = 200

# Texts, because redis-py and py-amqp raise one class for many causes and wrap the original as text.
_BY_TEXT = (
    (r"WRONGPASS|invalid username-password|invalid password", "the password or user was refused"),
    (r"NOAUTH|Authentication required|without any password", "the server wants a password"),
    (r"no password is set|AUTH.*called without", "the server has no password but was given one"),
    (r"NOPERM", "this user may not do that on the server"),
    (r"Port out of range|port must be", "there is no port of that number"),
    (r"Protocol error|InvalidResponse", "what answers there does not speak its protocol"),
    (r"DB index|Database is int|out of range|invalid DB", "there is no database of that number"),
    (r"max number of clients", "the server has no free connection left"),
    (r"DENIED.*protected mode", "the server is in protected mode and refuses other hosts"),
    (r"LOADING", "the server is still loading its data"),
    (r"MASTERDOWN|No master found|no slave found", "no Redis master was found by the sentinels"),
    (r"master_name", "the transport option master_name is missing"),
    (r"vhost.*not found|NOT_ALLOWED", "the virtual host is not there or not allowed"),
    (r"ACCESS_REFUSED|Login was refused", "the password or user was refused"),
    (r"CERTIFICATE_VERIFY_FAILED", "its TLS certificate is not trusted"),
    (r"WRONG_VERSION_NUMBER|UNEXPECTED_EOF|\[SSL", "the TLS handshake failed"),
    (r"Name or service not known|nodename nor servname|name resolution", "the name is not known"),
    (r"Connection refused", "the connection was refused"),
    (r"No such file", "there is no such socket"),
    (r"Permission denied", "access to it is denied"),
    (r"Connection closed|Connection reset|Broken pipe|unexpectedly closed", "it hung up"),
    (r"timed out|Timeout", "it did not answer in time"),
)


def why(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """Return the cause of ``error`` in words, without any of ``secrets``."""
    for cause in _chain(error):
        if (known := _by_class(cause)) is not None:
            return known
    texts = [str(cause) for cause in _chain(error)]
    for text in texts:
        for pattern, words in _BY_TEXT:
            if re.search(pattern, text, re.IGNORECASE):
                return words
    return scrubbed(texts[0] or type(error).__name__, secrets).rstrip(".")


def scrubbed(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` on one line, bounded, with every secret in it replaced by ``***``."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 2:
            text = text.replace(secret, HIDDEN)
    return clean(" ".join(text.split()), _LIMIT)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield ``error`` and what it came from, the nearest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _by_class(error: BaseException) -> str | None:
    match error:
        case ImportError():
            missing = error.name or str(error)
            return f"the Python package {clean(missing, 80)!r} that this transport needs is missing"
        case NameError():
            # Some of kombu's transports fail this way at import without their driver.
            return "the Python package that this transport needs is missing"
        case ssl.SSLCertVerificationError():
            return f"its TLS certificate is not trusted ({clean(error.verify_message, 80)})"
        case ssl.SSLError():
            return f"the TLS handshake failed ({clean(error.reason or str(error), 80)})"
        case socket.gaierror():
            return "the name is not known"
        case ConnectionRefusedError():
            return "the connection was refused"
        case FileNotFoundError():
            return "there is no such socket"
        case PermissionError():
            return "access to it is denied"
        case ConnectionResetError() | BrokenPipeError():
            return "it hung up"
    return None
