"""The settings of the pages and their form in the URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.ui.session.settings import (
    ORDERS,
    FollowSettings,
    MapSettings,
    QualitySettings,
    Range,
)
from olmoe_viz.ui.widgets.routing_map import VIEWS

Record = MapSettings | FollowSettings | QualitySettings
KINDS = (MapSettings, FollowSettings, QualitySettings)
steps = st.tuples(st.integers(0, 15), st.integers(0, 2047)).filter(any)
ranges = st.builds(
    lambda layer, token, grown: Range(token, layer, token + grown[1], layer + grown[0]),
    st.integers(0, 15),
    st.integers(0, 2047),
    steps,
)
records = (
    st.builds(MapSettings, st.sampled_from(VIEWS), st.sampled_from(ORDERS), st.none() | ranges)
    | st.builds(FollowSettings, st.none() | st.integers(0, 127))
    | st.builds(QualitySettings, st.text(max_size=40))
)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_leave_the_url_empty(kind: type[Record]) -> None:
    assert kind().to_query() == {}
    assert kind.from_query({}) == kind()


@given(records)
def test_settings_come_back_from_their_url(record: Record) -> None:
    query = record.to_query()
    assert set(query) <= set(record.KEYS)
    assert type(record).from_query(query) == record


def test_a_range_is_written_as_its_tokens_and_its_layers() -> None:
    settings = MapSettings(order="expert", marked=Range(3, 4, 8, 12))
    assert settings.to_query() == {"order": "expert", "range": "3-8~4-12"}


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from([*MapSettings.KEYS, *FollowSettings.KEYS]), st.text()),
)
def test_nonsense_never_raises_and_is_never_written_again(
    kind: type[Record], query: dict[str, str]
) -> None:
    record = kind.from_query(query)
    assert kind.from_query(record.to_query()) == record


@pytest.mark.parametrize(
    "text", ["3", "3-8", "8-3~4-12", "3-8~12-4", "3-3~4-4", "-1-2~0-1", "1-2~0-1~", "٣-8~4-12"]
)
def test_what_is_no_range_of_several_cells_counts_as_left_out(text: str) -> None:
    assert MapSettings.from_query({"range": text, "view": "<b>", "order": "by"}) == MapSettings()


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1e1", "1234", "٣", "head"])
def test_what_is_no_head_counts_as_left_out(text: str) -> None:
    assert FollowSettings.from_query({"head": text}) == FollowSettings()
