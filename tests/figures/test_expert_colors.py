"""A color says what an expert is used for, and never that one id is one expert in all layers."""

import numpy as np
import pytest

from olmoe_viz.engine.recorded import bundled_runs, load
from olmoe_viz.figures import router_bars
from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.palette import Theme, domain_colors
from olmoe_viz.records.expert_uses import NONE, recorded_uses, uses_of
from olmoe_viz.records.trace import Trace

# [blocks, experts, domains]: each domain's shares of a layer sum to k = 1; chance is a quarter.
SHARES = np.array([[[0.6, 0.1], [0.2, 0.49], [0.1, 0.2], [0.1, 0.21]]])
USES = uses_of(SHARES, ("stories", "code"))


def test_an_expert_is_used_for_what_prefers_it_twice_as_much_as_chance() -> None:
    assert USES.preferred.tolist() == [[0, NONE, NONE, NONE]]
    assert USES.words(0, 0) == "used most for stories: 60% of it"
    assert USES.words(1, 0) == "used for no kind of text in particular"
    assert USES.most_used("code", 0, 3) == (1, 3, 2)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_with_recorded_uses_the_color_is_the_domains(theme: Theme) -> None:
    stories, _, none = domain_colors(2, theme)
    colors = [expert_color(expert, 0, theme, USES) for expert in range(4)]
    assert colors == [stories, none, none, none]
    chart = router_bars.figure(
        np.full(4, 0.25), expert_ids=np.array([0], np.int16), layer=0, uses=USES, theme=theme
    )
    (bars,) = chart.marks
    assert (bars.outlines[0], bars.outlines[3]) == (stories, none)
    assert bars.hover[0].endswith("used most for stories: 60% of it")


@pytest.mark.parametrize("experts", [8, 60, 64, 128, 256])
def test_without_them_an_id_has_another_color_in_every_layer(experts: int) -> None:
    colors = [
        [expert_color(expert, layer, "light") for expert in range(experts)] for layer in range(64)
    ]
    assert all(len(set(row)) == experts for row in colors)
    assert all(len(set(column)) == 64 for column in zip(*colors, strict=True))


def test_only_the_weights_that_were_measured_have_recorded_uses() -> None:
    run = load(bundled_runs()[0])
    assert isinstance(run, Trace)
    uses = recorded_uses(run.provenance.digest)
    assert uses is not None
    assert uses.preferred.shape == (run.geometry.layers, run.geometry.experts)
    assert "French" in uses.domains
    assert recorded_uses("sha256:0") is None
