"""Experts of one layer along x: their ids, and a row of their colors as the key of them."""

from olmoe_viz.figures.expert_colors import expert_color
from olmoe_viz.figures.labels import expert_id
from olmoe_viz.figures.marks import Axis, Bars, every
from olmoe_viz.figures.palette import Theme
from olmoe_viz.records.expert_uses import ExpertUses


def expert_axis(experts: int, layer: int | None = None) -> Axis:
    """An axis over the experts of one layer, or over the ids of all, every eighth named."""
    return Axis((-0.7, experts - 0.3), every(8, experts), expert_id(layer))


def color_row(
    experts: int, at: float, theme: Theme, layer: int, uses: ExpertUses | None = None
) -> Bars:
    """A low row of the colors of a layer's experts around a value of y."""
    colors = [expert_color(expert, layer, theme, uses) for expert in range(experts)]
    return Bars(
        at=list(range(experts)),
        low=at - 0.2,
        high=[at + 0.2] * experts,
        width=0.55,
        fills=colors,
        outlines=colors,
        hover=[f"expert {layer}·{expert}" for expert in range(experts)],
    )
