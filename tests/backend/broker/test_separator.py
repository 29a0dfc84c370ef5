"""The separator of kombu's names, learnt from the bindings of workers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel_backend.broker.separator import DEFAULT_SEP, separator_in


@given(st.text("abc:|/\x06\x16é", min_size=1, max_size=4))
def test_what_a_worker_wrote_tells_the_separator(sep: str) -> None:
    member = sep.join(["", "", "w1@app-1.celery.pidbox"])
    assert separator_in([member.encode()]) == sep


@pytest.mark.parametrize(
    ("members", "sep"),
    [
        ([], None),
        ([b"nobody bound this"], None),
        ([b"::::w1@app-1.celery.pidbox"], "::"),
        ([b"::::w1@app-1.celery.pidbox", b"::::w2@app-1.celery.pidbox"], "::"),
        ([b"||old@app-1.celery.pidbox", b"\x06\x16\x06\x16new@app-1.celery.pidbox"], DEFAULT_SEP),
        ([b"\xff\xff\x00"], "�"),
    ],
)
def test_of_several_the_usual_one_is_taken(members: list[bytes], sep: str | None) -> None:
    assert separator_in(members) == sep
