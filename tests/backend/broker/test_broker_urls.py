from __future__ import annotations

import pytest

from umbel_backend.broker.urls import (
    InvalidBroker,
    celery_urls,
    describe_url,
    mask_url,
    secrets_in,
    transport_of,
)
from umbel_backend.errors import BrokerUnavailable, InvalidValue


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:s3cret@cache-1:6379/0", "redis://:***@cache-1:6379/0"),
        ("redis://user:p%40ss%2Fw@h/1", "redis://user:***@h/1"),
        ("redis://h/1?password=s3cret&db=2", "redis://h/1?password=***&db=2"),
        ("redis://h/1?password=a@b", "redis://h/1?password=***"),
        ("amqp://guest:guest@h1//;amqp://u:pw@h2//", "amqp://guest:***@h1//;amqp://u:***@h2//"),
        (
            "sentinel://:pw@h1:26379;sentinel://:pw@h2",
            "sentinel://:***@h1:26379;sentinel://:***@h2",
        ),
        (
            "redis+socket://:pw@/run/r.sock?virtual_host=2",
            "redis+socket://:***@/run/r.sock?virtual_host=2",
        ),
        ("rediss://:pw@[::1]:6379/3", "rediss://:***@[::1]:6379/3"),
        ("token@host:6379", "***@host:6379"),
        ("redis://cache-1:6379/0", "redis://cache-1:6379/0"),
        ("cache-1:6379", "cache-1:6379"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret",
        "redis://:s3/cret@host/0",
        "redis://:s3?cret@host/0",
        "redis://:s3#cret@host/0",
        "redis://:s3;cret@host/0",
        "redis://:s3@cret@host/0",
        "redis:/:s3cret@host",
        "redis://user:s3cret@host:port@x/0",
    ],
)
def test_a_url_that_cannot_be_taken_apart_shows_nothing_of_its_password(url: str) -> None:
    assert "s3" not in mask_url(url)
    assert "cret" not in mask_url(url)
    assert "cret" not in describe_url(url)


@pytest.mark.parametrize(
    ("url", "short"),
    [
        ("redis://:pw@cache-1/", "redis://cache-1:6379/0"),
        ("redis://", "redis://localhost:6379/0"),
        ("valkeys://u:p@h:7000/4?ssl_cert_reqs=none", "valkeys://h:7000/4"),
        ("amqp://guest:guest@h//", "amqp://h:5672//"),
        ("sentinel://:pw@h1;sentinel://h2", "sentinel://h1:26379 (+1)"),
        ("redis+socket:///run/r.sock", "redis+socket:///run/r.sock"),
        ("redis://[::1]/2", "redis://[::1]:6379/2"),
    ],
)
def test_the_header_shows_where_and_nothing_else(url: str, short: str) -> None:
    assert describe_url(url) == short


@pytest.mark.parametrize(
    ("url", "transport"),
    [
        ("redis://h", "redis"),
        ("valkey://h", "redis"),
        ("redis+socket:///x", "redis"),
        ("rediss://h", "rediss"),
        ("valkeys://h", "rediss"),
        ("sentinel://h", "sentinel"),
        ("pyamqp://h", "amqp"),
        ("amqps://h", "amqps"),
        ("memory://", "memory"),
        ("sqla+postgresql://u:p@h/d", "sqla"),
        ("SQS://", "sqs"),
    ],
)
def test_the_scheme_names_the_transport(url: str, transport: str) -> None:
    assert transport_of(url) == transport


@pytest.mark.parametrize("url", ["cache-1:6379", "localhost", "", "foo://:s3cret@h"])
def test_a_url_without_a_known_scheme_is_refused_with_the_schemes_that_are(url: str) -> None:
    with pytest.raises(InvalidBroker, match="redis://, rediss://") as caught:
        transport_of(url)
    assert "s3cret" not in str(caught.value)
    assert isinstance(caught.value, InvalidValue)
    assert isinstance(caught.value, BrokerUnavailable)
    assert caught.value.exit_code == 2


def test_valkey_urls_reach_celery_as_redis_urls() -> None:
    assert celery_urls("valkey://h1/0; valkeys://h2/0") == ["redis://h1/0", "rediss://h2/0"]


def test_a_failover_list_may_leave_the_scheme_out_after_the_first() -> None:
    assert celery_urls("amqp://h1//;h2//") == ["amqp://h1//", "amqp://h2//"]


def test_sentinels_are_one_broker() -> None:
    assert celery_urls("sentinel://h1;sentinel://h2") == ["sentinel://h1;sentinel://h2"]


def test_secrets_are_known_as_written_and_decoded() -> None:
    assert {"p%40ss", "p@ss", "word"} <= secrets_in("redis://u:p%40ss@h/1?password=word")
