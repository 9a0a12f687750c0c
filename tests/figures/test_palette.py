import tomllib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from olmoe_viz.figures.palette import (
    DIVERGING,
    FAMILIES,
    INKS,
    SEQUENTIAL,
    TONES,
    Inks,
    Theme,
    contrast,
    distinct_color,
    distinct_colors,
    domain_colors,
    text_on,
)

ROOT = Path(__file__).resolve().parents[2]
THEMES: tuple[Theme, ...] = ("light", "dark")
# Full dichromacy in linear sRGB: Machado, Oliveira, Fernandes 2009, severity 1.0.
SIGHT = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def oklab(colors: tuple[str, ...], sight: str = "usual") -> NDArray[np.float64]:
    """OKLab [colors, 3] of "#rrggbb" as the given eyes see them."""
    values = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colors])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ SIGHT[sight].T, 0, 1)
    return np.cbrt(seen @ TO_CONES.T) @ TO_OKLAB.T


@pytest.mark.parametrize("theme", THEMES)
def test_the_64_colors_all_differ(theme: Theme) -> None:
    points = oklab(distinct_colors(64, theme))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert distances[np.triu_indices(64, 1)].min() > 0.02


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHT)
def test_families_stay_apart_for_every_kind_of_sight(theme: Theme, sight: str) -> None:
    points = oklab(distinct_colors(64, theme), sight).reshape(FAMILIES, TONES, 3)
    for tone in range(TONES):
        distances = np.linalg.norm(points[:, None, tone] - points[None, :, tone], axis=-1)
        # 0.02 in OKLab is about one just noticeable difference.
        assert distances[np.triu_indices(FAMILIES, 1)].min() > 0.045


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("sight", SIGHT)
def test_domains_stay_apart_for_every_kind_of_sight(theme: Theme, sight: str) -> None:
    colors = domain_colors(10, theme)
    points = oklab(colors, sight)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert distances[np.triu_indices(11, 1)].min() > (0.12 if sight == "usual" else 0.065)
    assert np.hypot(*oklab(colors[-1:])[0, 1:]) < 0.001  # of none of them: gray
    assert all(contrast(color, text_on(color)) >= 4.5 for color in colors)


@pytest.mark.parametrize("theme", THEMES)
def test_tones_of_a_family_grow_lighter_in_equal_steps(theme: Theme) -> None:
    lightness = oklab(distinct_colors(64, theme))[:, 0].reshape(FAMILIES, TONES)
    steps = np.diff(lightness, axis=1)
    assert steps.min() > 0.02
    assert steps.max() < 0.04


@pytest.mark.parametrize("theme", THEMES)
def test_ids_read_on_their_color_and_colors_on_the_paper(theme: Theme) -> None:
    for color in distinct_colors(256, theme):
        assert contrast(color, text_on(color)) >= 4.5
        assert contrast(color, INKS[theme].paper) >= 2.1


@pytest.mark.parametrize("theme", THEMES)
def test_inks_read_on_paper_and_panel(theme: Theme) -> None:
    inks = INKS[theme]
    for ground in (inks.paper, inks.panel):
        for ink in (inks.ink, inks.muted, inks.accent):
            assert contrast(ink, ground) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_the_sequential_scale_is_even_in_lightness(theme: Theme) -> None:
    steps = np.diff(oklab(SEQUENTIAL[theme])[:, 0])
    assert np.all(steps > 0) or np.all(steps < 0)
    assert np.abs(steps).max() - np.abs(steps).min() < 0.006


@pytest.mark.parametrize("theme", THEMES)
def test_the_diverging_scale_is_neutral_at_zero_and_even_on_both_sides(theme: Theme) -> None:
    points = oklab(DIVERGING[theme])
    middle = len(points) // 2
    assert np.hypot(*points[middle, 1:]) < 0.002
    assert points[0, 0] == pytest.approx(points[-1, 0], abs=0.005)
    for sight in SIGHT:
        ends = oklab((DIVERGING[theme][0], DIVERGING[theme][-1]), sight)
        assert np.linalg.norm(ends[0] - ends[1]) > 0.12


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("experts", [24, 128, 256])
def test_more_than_64_colors_all_differ_too(theme: Theme, experts: int) -> None:
    colors = distinct_colors(experts, theme)
    assert colors[:64] == distinct_colors(64, theme)[:experts]
    points = oklab(colors)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    assert distances[np.triu_indices(experts, 1)].min() > (0.02 if experts <= 128 else 0.015)


def test_distinct_colors_come_round_after_256() -> None:
    assert distinct_color(262, "light") == distinct_color(6, "light")
    assert distinct_color(12, "light") != distinct_color(12, "dark")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_has_the_inks_of_the_figures(theme: Theme) -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    page = config["theme"][theme]
    assert INKS[theme] == Inks(
        paper=page["backgroundColor"],
        panel=page["secondaryBackgroundColor"],
        ink=page["textColor"],
        muted=page["grayTextColor"],
        line=page["borderColor"],
        accent=page["primaryColor"],
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_streamlits_own_charts_have_the_same_colors(theme: Theme) -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    chart = config["theme"][theme]
    assert chart["chartCategoricalColors"] == [
        distinct_color(family * TONES + 3, theme) for family in range(FAMILIES)
    ]
    for name, scale in (("Sequential", SEQUENTIAL), ("Diverging", DIVERGING)):
        colors = chart[f"chart{name}Colors"]
        assert len(colors) == 10
        places = [scale[theme].index(color) for color in colors]
        assert (places[0], places[-1]) == (0, len(scale[theme]) - 1)
        assert places == sorted(places)
