"""What retry policies say: which one counts, how long it waits, and what is refused."""

from __future__ import annotations

import traceback
from dataclasses import replace

import pytest
from celery.exceptions import Retry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umbel_agent import policies as followed
from umbel_backend.errors import InvalidValue
from umbel_backend.policies.preview import classes_named
from umbel_backend.policies.retry import (
    RetryPolicy,
    checked,
    covers,
    deciding,
    delays,
    in_order,
    in_words,
)

CALMLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine making the input may take its time."""
NAMES = st.text("ab.", min_size=1, max_size=6)
PATTERNS = st.text("ab.*", min_size=1, max_size=6)
RULES = st.builds(
    RetryPolicy,
    pattern=PATTERNS,
    exceptions=st.lists(st.sampled_from(["OSError", "KeyError"]), max_size=2).map(tuple),
    never=st.lists(st.sampled_from(["ValueError", "LookupError"]), max_size=1).map(tuple),
    max_retries=st.integers(1, 30),
    base_delay_s=st.floats(0, 100),
    multiplier=st.floats(1, 100),
    max_delay_s=st.floats(100, 86_400),
    jitter=st.floats(0, 1),
)


def test_the_most_specific_policy_that_speaks_of_the_exception_decides() -> None:
    everything = RetryPolicy(pattern="*", max_retries=1)
    shop = RetryPolicy(pattern="shop.*", exceptions=("OSError",), never=("BrokenPipeError",))
    pay = RetryPolicy(pattern="shop.pay", exceptions=("KeyError",))
    rules = [everything, shop, pay]
    assert in_order(rules) == [pay, shop, everything]

    def by(name: str, error: Exception) -> RetryPolicy | None:
        return deciding(rules, name, followed.classes_of(error))

    assert by("shop.pay", KeyError("k")) is pay
    assert by("shop.pay", ConnectionRefusedError()) is shop
    assert by("shop.pay", ValueError()) is everything
    assert by("shop.pay", BrokenPipeError()) is None
    assert by("mail.send", BrokenPipeError()) is everything


def test_classes_are_named_with_or_without_module_by_base_and_by_pattern() -> None:
    class Outage(ConnectionError): ...

    classes = followed.classes_of(Outage())
    for name in ("Outage", "ConnectionError", "OSError", "builtins.OSError", "Out*", "*Error"):
        assert deciding([RetryPolicy(pattern="*", exceptions=(name,))], "t", classes), name
    for name in ("KeyError", "outage", "Error"):
        assert not deciding([RetryPolicy(pattern="*", exceptions=(name,))], "t", classes), name


@CALMLY
@given(PATTERNS, NAMES)
def test_only_a_star_stands_for_anything(pattern: str, name: str) -> None:
    parts = pattern.split("*")
    if "*" not in pattern:
        assert covers(RetryPolicy(pattern=pattern), name) == (pattern == name)
    elif covers(RetryPolicy(pattern=pattern), name):
        assert name.startswith(parts[0])
        assert name.endswith(parts[-1])
    assert covers(RetryPolicy(pattern=pattern), pattern.replace("*", name))


@CALMLY
@given(RULES)
def test_delays_grow_up_to_the_longest_and_vary_only_by_the_jitter(rule: RetryPolicy) -> None:
    checked(rule)
    spread = delays(rule)
    assert len(spread) == rule.max_retries
    for made, (shortest, longest) in enumerate(spread):
        plain = followed.plain_delay_s(rule, made)
        assert 0 <= shortest <= longest <= rule.max_delay_s
        assert shortest <= followed.delay_s(rule, made) <= longest
        assert shortest == pytest.approx(min(rule.max_delay_s, plain * (1 - rule.jitter)))
    plains = [followed.plain_delay_s(rule, made) for made in range(rule.max_retries)]
    assert plains == sorted(plains)


@CALMLY
@given(st.lists(RULES, max_size=5, unique_by=lambda rule: rule.pattern), st.integers(0, 2**60))
def test_what_is_published_is_what_is_read(rules: list[RetryPolicy], version: int) -> None:
    read = followed.read(followed.written(version, "db", rules))
    assert (read.version, read.installation) == (version, "db")
    assert [rule.pattern for rule in read.retry] == [rule.pattern for rule in in_order(rules)]
    for own, told in zip(in_order(rules), read.retry, strict=True):
        assert told == followed.RetryPolicy(
            **{name: getattr(own, name) for name in followed.RetryPolicy.__slots__}
        )


@pytest.mark.parametrize(
    "text",
    [None, b"", b"{", b"[]", b"7", b'{"retry": 1}', b'{"version": "x"}', b"\xff", b"[" * 99_999],
)
def test_what_cannot_be_read_is_no_policy(text: bytes | None) -> None:
    assert followed.read(text).retry == ()


def test_a_policy_that_cannot_be_read_does_not_spoil_the_others() -> None:
    whole = followed.written(1, "db", [RetryPolicy(pattern="a")])
    broken = whole.replace('"retry": [', '"retry": [null, 3, {"pattern": "b"}, ')
    assert [rule.pattern for rule in followed.read(broken).retry] == ["a"]


@CALMLY
@given(RULES, st.integers(0, 5), st.text(max_size=30))
def test_the_words_of_a_retry_are_heard_at_the_end_of_its_traceback(
    rule: RetryPolicy, made: int, message: str
) -> None:
    delay = followed.delay_s(rule, made)
    try:
        try:
            raise ConnectionError(message)
        except ConnectionError as error:
            words = followed.said(rule, delay, made + 1, repr(error))
            raise Retry(words, exc=error, when=delay) from error
    except Retry:
        printed = traceback.format_exc()
    heard = followed.heard(printed)
    assert heard is not None
    assert heard[0] == rule.pattern
    assert heard[1] == pytest.approx(delay, abs=0.051)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "celery.exceptions.Retry: Retry in 3s: KeyError('x')",
        "KeyError: in 3.0 s by Umbel's policy 'a' (retry 1 of 3): x",
    ],
)
def test_other_tracebacks_tell_of_no_policy(text: str | None) -> None:
    assert followed.heard(text) is None


def test_a_policy_that_cannot_be_followed_is_refused_by_its_field() -> None:
    good = RetryPolicy(pattern="shop.*")
    assert checked(good) is good
    for wrong, field in (
        (replace(good, pattern=""), "pattern"),
        (replace(good, pattern="a b"), "pattern"),
        (replace(good, exceptions=("Key Error",)), "exceptions"),
        (replace(good, never=("x;y",)), "never"),
        (replace(good, max_retries=0), "max_retries"),
        (replace(good, base_delay_s=-1.0), "base_delay_s"),
        (replace(good, base_delay_s=float("nan")), "base_delay_s"),
        (replace(good, multiplier=0.5), "multiplier"),
        (replace(good, max_delay_s=1e9), "max_delay_s"),
        (replace(good, max_delay_s=1.0), "max_delay_s"),
        (replace(good, jitter=1.5), "jitter"),
    ):
        with pytest.raises(InvalidValue, match=field):
            checked(wrong)


def test_a_policy_is_told_in_words() -> None:
    policy = RetryPolicy(pattern="*", exceptions=("OSError",), never=("TimeoutError",))
    assert in_words(policy) == (
        "up to 3 retries of OSError but TimeoutError after 2 s, 4 s, 8 s (± 10 %)"
    )
    long = RetryPolicy(pattern="*", max_retries=20, base_delay_s=60.0, jitter=0)
    assert in_words(long) == "up to 20 retries of any exception after 1 min, 2 min, 4 min … 10 min"


def test_of_an_exception_in_history_the_bases_are_known_where_it_is_pythons_own() -> None:
    assert classes_named("ConnectionRefusedError: x") == (
        frozenset(
            {"ConnectionRefusedError", "ConnectionError", "OSError", "Exception", "BaseException"}
        ),
        True,
    )
    assert classes_named("Timeout: x") == (
        frozenset({"Timeout", "Exception", "BaseException"}),
        False,
    )
    assert classes_named(None)[1] is False
