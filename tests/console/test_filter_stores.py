"""Views, earlier filters, live counts and times, without a screen."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from fake_console.world import NOW, task
from umbel_backend.errors import InvalidValue
from umbel_backend.filters import compile_predicate, parse
from umbel_backend.filters.edit import FilterText, without
from umbel_console.preferences import Preferences
from umbel_console.stores.facets import FIELDS, count_facets
from umbel_console.stores.tasks import Section
from umbel_console.stores.views import LONGEST_NAME, MOST_RECENT, RecentFilters, SavedViews, View
from umbel_console.widgets.time_picker import PRESETS, chosen_preset, read_time, with_preset

RECORDS = [
    task(
        n,
        ("SUCCESS", "FAILURE", "STARTED", "PENDING")[n % 4],
        age_s=n * 600.0,
        name=("mail.send", "Mail.send", "", "billing")[n % 3],
        queue=("high", None, "default")[n % 3],
        exception="ValueError: bad" if n % 4 == 1 else None,
        tags={"user_id": str(n % 2)} if n % 5 else {},
    )
    for n in range(40)
]
FILTERS = [
    "",
    "queue:high",
    "-queue:high state:SUCCESS",
    "state:FAILURE,STARTED since:2h",
    "mail",
    "exc:ValueError OR state:PENDING",
    'queue:"" tag.user_id:1',
    "until:1h name:mail.*",
]


@pytest.mark.parametrize("text", FILTERS)
@pytest.mark.parametrize("field", [*FIELDS, "tag.user_id"])
def test_a_count_is_what_the_filter_finds_with_the_value_in_place_of_the_fields_own(
    text: str, field: str
) -> None:
    chosen = parse(text)
    found = count_facets(RECORDS, chosen, [field], now=NOW)
    rest = str(without(chosen, {field}))
    for value, number in found.by_field[field]:
        if field == "name":
            continue  # Values that differ in case alone are one to a filter and two to the pane.
        asked = parse(FilterText(rest).toggled(field, value))
        matches = compile_predicate(asked)
        assert number == sum(matches(record, NOW) for record in RECORDS), (rest, value)
    matches = compile_predicate(chosen)
    assert found.counted == sum(matches(record, NOW) for record in RECORDS)


@pytest.mark.parametrize("text", FILTERS)
def test_stretches_of_time_are_counted_without_the_filters_own(text: str) -> None:
    chosen = parse(text)
    spans = [preset.span(NOW) for preset in PRESETS]
    found = count_facets(RECORDS, chosen, ["state"], spans=spans, now=NOW)
    rest = FilterText(str(without(chosen, {"since", "until"})))
    for preset, (number, _) in zip(PRESETS, found.spans, strict=True):
        matches = compile_predicate(parse(with_preset(rest, preset)))
        assert number == sum(matches(record, NOW) for record in RECORDS), preset


def test_only_the_section_shown_is_counted() -> None:
    found = count_facets(RECORDS, None, ["state"], section=Section.WAITING, now=NOW)
    assert found.by_field["state"] == [("PENDING", 10)]


def test_recent_filters_are_bounded_each_once_and_survive_nonsense() -> None:
    preferences = Preferences()
    recent = RecentFilters(preferences)
    for n in range(60):
        recent.remember(f"f{n}")
    recent.remember("f30")
    recent.remember("  ")
    assert len(recent.all()) == MOST_RECENT
    assert recent.all()[:2] == ["f30", "f59"]
    assert recent.all().count("f30") == 1
    preferences.put("filters", "recent", {"not": "a list"})
    assert recent.all() == []


def test_a_view_comes_back_as_it_was_saved() -> None:
    views = SavedViews(Preferences())
    view = View(
        name="a  b", mode="tasks", text="queue:high", sort="task", descending=True, section="Active"
    )
    assert views.save(view) is False
    assert views.save(view) is True
    kept = views.get("A b")
    assert kept is not None
    assert (kept.name, kept.text, kept.sort, kept.descending) == ("a b", "queue:high", "task", True)
    views.rename("a b", "c")
    assert [each.name for each in views.all()] == ["c"]


@pytest.mark.parametrize("name", ["", "   ", "x" * (LONGEST_NAME + 1), "a\x1bb", "taken"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    views = SavedViews(Preferences())
    views.save(View(name="taken"))
    views.save(View(name="mine"))
    with pytest.raises(InvalidValue):
        views.rename("mine", name)
    assert len(views.all()) == 2


def test_damaged_views_are_passed_over() -> None:
    preferences = Preferences()
    preferences.put("views", "bad", [1])
    preferences.put("views", "odd", {"mode": 7, "filter": None, "sort": 3, "section": []})
    assert SavedViews(preferences).all() == [View(name="odd")]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_put_recognised_and_dropped(preset: object) -> None:
    chosen = next(each for each in PRESETS if each is preset)
    text = with_preset(FilterText("a since:3d until:2d b"), chosen)
    assert chosen_preset(FilterText(text)) is chosen
    assert with_preset(FilterText(text), chosen) == "a b"
    low, high = chosen.span(NOW)
    matches = compile_predicate(parse(text.replace("a ", "").replace(" b", "")))
    for at in (low - 1, low, min(high - 1, NOW)):
        record = task(1, "SUCCESS", name="a", kwargs="b", state_at=at)
        assert matches(record, NOW) is (low <= at < high)


@pytest.mark.parametrize(
    ("typed", "field", "filter", "words", "is_right"),
    [
        ("", "since", "", "Nothing typed", True),
        ("2h", "since", "", "2 hours ago", True),
        ("2026-11-01", "until", "", "all day UTC", True),
        ("soon", "since", "", "This is no time", False),
        ("2027-01-01", "since", "", "still to come", False),
        ("2027-01-01", "until", "", "to come", True),
        ("2h", "until", "since:1h", "ends before it begins", False),
        ("2h", "since", "until:3h", "ends before it begins", False),
        ("yesterday", "until", "since:yesterday", "all day UTC", True),
        ("1h", "until", "since:2h", "1 hour ago", True),
        ("0001-01-01", "since", "", "0001-01-01", True),
    ],
)
def test_a_time_is_judged_while_one_types(
    typed: str, field: str, filter: str, words: str, is_right: bool
) -> None:
    answer = read_time(typed, field, FilterText(filter), NOW)
    assert words in answer.words
    assert answer.is_right is is_right


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20))
def test_whatever_is_typed_as_a_time_is_answered(typed: str) -> None:
    answer = read_time(typed, "since", FilterText(""), NOW)
    if answer.is_right and typed.strip():
        parse(FilterText("").replaced("since", typed.strip()))
