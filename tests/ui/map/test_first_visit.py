"""What a first visitor sees above the map, and when it goes."""

from streamlit.testing.v1 import AppTest

from olmoe_viz.ui.tour import LENGTH
from tests.ui.visitor import app, checked


def shown(test: AppTest) -> bool:
    found = [button.key for button in test.button if button.key == "take_tour"]
    controls = [each.key for each in test.segmented_control]
    assert bool(found) != ("choice_k" in controls), "nothing else stands above the map"
    return bool(found)


def press(test: AppTest, key: str) -> AppTest:
    return checked(test.button(key=key).click().run())


def test_only_a_bare_visit_is_a_first_one() -> None:
    test = app()
    assert shown(test)
    assert "in each of its 16 layers a router picks 8 of 64" in test.markdown[0].value
    assert not shown(app("order=probability"))


def test_it_goes_when_closed_and_comes_back_when_asked_for() -> None:
    test = press(app(), "close_first_visit")
    assert not shown(test)
    assert shown(press(test, "what_is_this"))


def test_it_goes_when_the_tour_begins_or_another_prompt_runs() -> None:
    test = press(app(), "take_tour")
    assert not [each for each in test.button if each.key == "take_tour"]
    assert f"1 of {LENGTH}" in [caption.value for caption in test.caption]
    assert not shown(press(app(), "try_French"))
