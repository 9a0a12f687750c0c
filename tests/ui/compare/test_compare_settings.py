from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmoe_viz.models import catalogue
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.ui.compare.settings import Settings

policies = st.builds(RoutingPolicy, st.integers(1, 64), st.sampled_from(WEIGHTINGS))


@given(
    st.builds(
        Settings,
        policies=st.just(()) | st.lists(policies, min_size=2, max_size=6).map(tuple),
        new_tokens=st.integers(1, 512),
        temperature=st.floats(0, 2),
        top_p=st.floats(0.05, 1),
        seed=st.integers(0, 2**31 - 1),
        reference=st.none() | st.integers(0, 5),
        pair=st.none() | st.permutations(range(6)).map(lambda places: tuple(places[:2])),
        generate=st.booleans(),
    )
)
def test_settings_come_back_from_their_url(settings: Settings) -> None:
    assert Settings.from_query(settings.to_query()) == settings


@given(st.dictionaries(st.sampled_from(Settings.KEYS), st.text(max_size=20)))
def test_nonsense_in_the_url_never_raises(query: dict[str, str]) -> None:
    settings = Settings.from_query(query)
    assert 1 <= settings.new_tokens <= 512
    assert 0 <= settings.temperature <= 2


@pytest.mark.parametrize(
    "columns",
    [
        "k=8",
        "k=8~k=65",
        "k=8~k=0",
        "k=8-8~k=4",
        "k=8~k=4,p>=0.1",
        "k=8~p>=0.1",
        "~".join(["k=8"] * 7),
        "nan",
    ],
)
def test_columns_that_cannot_be_shown_count_as_left_out(columns: str) -> None:
    assert Settings.from_query({"columns": columns, "temperature": "nan"}) == Settings()


def test_a_link_names_only_ks_that_its_model_has(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled, other, *_ = catalogue.CATALOGUE
    monkeypatch.setattr(catalogue, "CATALOGUE", (bundled, replace(other, experts=24)))
    query = {"columns": "k=8~k=25"}
    assert len(Settings.from_query(query).policies) == 2
    assert Settings.from_query(query | {"model": other.name}).policies == ()


@pytest.mark.parametrize("pair", ["", "1", "1-1", "0-6", "-1-2", "0~1", "0-1-2", "٠-1"])
def test_what_is_no_pair_of_columns_counts_as_left_out(pair: str) -> None:
    assert Settings.from_query({"pair": pair}) == Settings()
