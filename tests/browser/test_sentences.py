"""The sentences that are made in the browser: each case of each, with its numbers."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from olmoe_viz.figures.markup import WORDS_SCRIPT, constants
from olmoe_viz.ui.texts import by_hand, overview
from olmoe_viz.ui.widgets import by_hand as by_hand_widget
from olmoe_viz.ui.widgets import overview as overview_widget

# Two layers of experts, which are not the first block, of four experts; norms are by block.
RUN: dict[str, Any] = {
    "token": {"token": "·who", "id": 805},
    "layerIds": [1, 2],
    "row": 0,
    "experts": 4,
    "norms": [2.17, 2.5, 52.84, 1301.3],
    "attention": [0, 1.43, 21.0],
    "between": [0, 2.8, 60.0],
    "added": [0, 2.61, 18.9],
    "ids": [[2, 0], [3]],
    "probabilities": [[0.4, 0.3], [0.004]],
    "mass": [0.7, 0.004],
    "next": [["·lived", 0.391]],
}
LOOKS = "Attention looks back at the tokens before and adds what"
RAN = "Layer 1, of 1 to 2. Only the 2 strongest run; together they had"
COMPARED = "The vector is compared with every token of the vocabulary"


@pytest.fixture(scope="module")
def said(browser: Browser) -> Any:
    """Return a function that evaluates an expression after the code of a widget's files."""
    page = browser.new_page()

    def run(package: Any, words: object, files: tuple[str, ...], call: str, given: object) -> Any:
        folder = Path(package.__file__).parent
        code = "\n".join(
            path.read_text("utf-8") for path in (WORDS_SCRIPT, *map(folder.joinpath, files))
        )
        code = code.replace("export default", "const mounted =")
        return page.evaluate(
            f"(given) => {{ {constants({'WORDS': words})}\n{code}\nreturn {call} }}", given
        )

    yield run
    page.close()


@pytest.mark.parametrize(
    ("changed", "stage", "place", "sentence"),
    [
        ({}, 0, "before layer 1", "The text is cut into tokens. This one, ‘·who’, has the id 805."),
        (
            {},
            1,
            "before layer 1",
            "The id selects one row of a table: a vector, here of norm 2.17.",
        ),
        (
            {},
            2,
            "layer 1, of 1 to 2",
            (
                f"Layer 1, of 1 to 2. {LOOKS} it finds, norm 1.43. "
                "The vector has norm 2.50 before that and 2.80 after it."
            ),
        ),
        (
            {"attention": None},
            5,
            "layer 2, of 1 to 2",
            f"Layer 2, of 1 to 2. {LOOKS} it finds. The vector has norm 52.8 before that.",
        ),
        (
            {},
            3,
            "layer 1, of 1 to 2",
            "The router gives each of 4 experts a probability. The strongest, 1·2, gets 0.40.",
        ),
        ({}, 6, "layer 2, of 1 to 2", "The strongest, 2·3, gets <0.01."),
        (
            {},
            4,
            "layer 1, of 1 to 2",
            (
                f"{RAN} 0.70 of the probability. What they add has norm 2.61. "
                "The vector has norm 2.80 before that and 52.8 after it."
            ),
        ),
        (
            {"added": None},
            7,
            "layer 2, of 1 to 2",
            "together they had <0.01 of the probability. After them the vector has norm 1301.",
        ),
        (
            {},
            8,
            "after layer 2",
            "After the last layer the vector, norm 1301, is scaled to a fixed length.",
        ),
        ({}, 9, "after layer 2", f"{COMPARED}: ‘·lived’ comes next with probability 0.39."),
        (
            {"next": [["·a", None]]},
            9,
            "after layer 2",
            f"{COMPARED}. In this text ‘·a’ follows; the",
        ),
    ],
)
def test_each_stage_of_the_overview(
    said: Any, changed: dict[str, Any], stage: int, place: str, sentence: str
) -> None:
    stages = said(
        overview_widget, overview.SCRIPT, ("stages.js",), "stagesOf(given)", RUN | changed
    )
    assert len(stages) == 10
    assert stages[stage]["place"] == place
    assert sentence in stages[stage]["said"]


@pytest.mark.parametrize(
    ("ran", "k", "sentence"),
    [
        (None, 1, "entropy is 1.04 nats: as undecided as an even choice among 2.8 of 3 experts."),
        (
            2,
            2,
            "At temperature 0.50 the top 2 keep 0.750 of the probability, and the margin at the",
        ),
        (2, 2, "margin at the cutoff is 0."),
        (2, 1, "the top 1 keep 0.500 of the probability"),
        (2, 1, "the margin at the cutoff is 2.50e\N{MINUS SIGN}5."),
        (2, 3, "With 3 experts all run: nothing is dropped at any temperature."),
    ],
)
def test_each_case_of_the_sliders(said: Any, ran: int | None, k: int, sentence: str) -> None:
    shares = [0.5, 0.499975, 0.000025] if k == 1 and ran else [0.5, 0.25, 0.25]
    hand = {"data": {"k": ran}, "temperature": 0.5, "k": k}
    call = "words(given[0], given[1])"
    found = said(by_hand_widget, by_hand.SCRIPT, ("by_hand.js",), call, [hand, shares])
    assert sentence in found
