"""Experts along x: their ids, and a row of their colors as the key of them."""

from olmoe_viz.figures.labels import expert_id
from olmoe_viz.figures.marks import Axis, Bars, every
from olmoe_viz.figures.palette import Theme, expert_colors


def expert_axis(experts: int, layer: int | None = None) -> Axis:
    """An axis over the experts of one layer, or over the ids of all, every eighth named."""
    return Axis((-0.7, experts - 0.3), every(8, experts), expert_id(layer))


def color_row(experts: int, at: float, theme: Theme, layer: int | None = None) -> Bars:
    """A low row of the experts' colors around a value of y."""
    colors = expert_colors(experts, theme)
    return Bars(
        at=list(range(experts)),
        low=at - 0.2,
        high=[at + 0.2] * experts,
        width=0.55,
        fills=colors,
        outlines=colors,
        hover=[
            f"id {expert} in every layer" if layer is None else f"expert {layer}·{expert}"
            for expert in range(experts)
        ],
    )
