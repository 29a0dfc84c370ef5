"""What Redis took and lost is sent again, and what it took without an answer is not sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from umbel_agent.lookback import LookBack
from umbel_agent.protocol import STREAM_KEY
from umbel_agent.redis_link import Link, Refused, pool_of_url
from umbel_backend.demo.server import EmbeddedServer


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that has nothing after it was killed."""
    with EmbeddedServer(tmp_path / "server", append_only=False) as server:
        yield server


def _link(server: EmbeddedServer) -> Link:
    return Link(pool_of_url(server.url(0)), 10_000)


def _entries(*numbers: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in numbers]


def _stream(server: EmbeddedServer) -> list[bytes]:
    with redis.Redis(port=server.port) as client:
        found: Any = client.xrange(STREAM_KEY)
        return [fields[b"r"] for _, fields in found]


def _lose_the_answer(link: Link, after: int) -> None:
    """Break the connection when so many more entries were answered; Redis has them all by then."""
    connection: Any = link._connection
    read = connection.read_response
    left = [after]

    def once(*args: Any, **kwargs: Any) -> Any:
        answer = read(*args, **kwargs)
        if not left[0]:
            raise redis.ConnectionError("the answer is lost")
        left[0] -= 1
        return answer

    connection.read_response = once


def test_what_a_killed_redis_forgot_is_sent_again_in_its_order(forgetful: EmbeddedServer) -> None:
    link = _link(forgetful)
    link.append(_entries(1, 2))
    link.append(_entries(3))
    forgetful.kill()
    with pytest.raises((redis.RedisError, OSError)):
        link.append(_entries(4))
    forgetful.start()
    assert link.append(_entries(4)) == [True]
    assert _stream(forgetful) == _entries(1, 2, 3, 4)
    link.close()
    assert link.append(_entries(5)) == [True]
    assert _stream(forgetful) == _entries(1, 2, 3, 4, 5)


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_what_was_taken_without_an_answer_is_not_sent_twice(
    forgetful: EmbeddedServer, answered: int
) -> None:
    link = _link(forgetful)
    link.append(_entries(1))
    _lose_the_answer(link, answered)
    with pytest.raises(redis.ConnectionError):
        link.append(_entries(2, 3, 4))
    assert link.append(_entries(2, 3, 4, 5)) == [True] * 4
    assert _stream(forgetful) == _entries(1, 2, 3, 4, 5)


def test_what_is_sent_again_may_fail_again(forgetful: EmbeddedServer) -> None:
    link = _link(forgetful)
    link.append(_entries(1, 2, 3))
    forgetful.kill()
    forgetful.start()
    with pytest.raises((redis.RedisError, OSError)):
        link.append(_entries(4))
    link.connect()
    _lose_the_answer(link, 4)
    with pytest.raises(redis.ConnectionError):
        link.append(_entries(4))
    assert link.append(_entries(4)) == [True]
    assert _stream(forgetful) == _entries(1, 2, 3, 4)


def test_a_redis_that_refuses_after_it_forgot_gets_everything_later(
    forgetful: EmbeddedServer,
) -> None:
    link = _link(forgetful)
    link.append(_entries(1))
    forgetful.kill()
    forgetful.start()
    with redis.Redis(port=forgetful.port) as client:
        client.set(STREAM_KEY, "somebody else's")
        with pytest.raises((redis.RedisError, OSError)):
            link.append(_entries(2))
        with pytest.raises(Refused):
            link.append(_entries(2))
        client.delete(STREAM_KEY)
    assert link.append(_entries(2)) == [True]
    assert _stream(forgetful) == _entries(1, 2)


def test_a_broken_connection_alone_sends_nothing_again(forgetful: EmbeddedServer) -> None:
    link = _link(forgetful)
    for number in range(5):
        assert link.append(_entries(number)) == [True]
        link.close()
    assert _stream(forgetful) == _entries(*range(5))


def test_little_is_remembered() -> None:
    lately = LookBack()
    for number in range(5_000):
        lately.took([(b"%d-0" % number, b"x" * 10)])
    assert len(lately._taken) <= 1_000
    lately.took([(b"9-%d" % number, b"x" * 100_000) for number in range(30)])
    assert lately._bytes <= 1_000_000
