"""How much of each domain's text an expert gets: domains down, the experts of one layer across."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olmoe_viz.figures.expert_axis import color_row, expert_axis
from olmoe_viz.figures.figure import Figure
from olmoe_viz.figures.labels import expert_id, expert_name, percent
from olmoe_viz.figures.marks import Axis, Cells, ColorBar, rounded, ticks
from olmoe_viz.figures.palette import SEQUENTIAL, Theme
from olmoe_viz.records.expert_uses import ExpertUses


def figure(
    shares: NDArray[np.float64],
    domains: Sequence[str],
    *,
    fair: float,
    layer: int,
    uses: ExpertUses | None = None,
    theme: Theme = "light",
) -> Figure:
    """Heatmap of one layer (arXiv 2409.02060, Eq. 7, domain specialization).

    Args:
        shares: [domains, experts], share of the domain's tokens with the expert among their top k.
        domains: their names, [domains].
        fair: the share by chance, k / experts.
        layer: the layer of the experts.
        uses: what the experts are used for, for their colors.
        theme: the theme on the screen.
    """
    count, experts = shares.shape
    scale = SEQUENTIAL[theme]
    return Figure(
        alt=_sentence(shares, domains, layer=layer, fair=fair),
        height=92 + 24 * count,
        margin=(10, 80, 44, 104),
        x=(expert_axis(experts, layer),),
        y=Axis((count - 0.4, -1.6), list(enumerate(domains)), bare=True),
        marks=(
            color_row(experts, -1.0, theme, layer, uses),
            Cells(
                rounded(shares),
                first=(0, 0),
                scale=scale,
                span=(0, 1),
                gaps=(1, 1),
                hover=(
                    f"{{row}} · expert {layer}·{{column}}\n{{value}} of the tokens"
                    f"\n{{times the fair share}} × the fair share of {percent(fair)}"
                ),
                numbers=("domain", expert_id(layer), "share of tokens"),
                rows=domains,
                more={"times the fair share": rounded(shares / fair, 3)},
                percent=True,
            ),
        ),
        bar=ColorBar(scale, (0, 1), ticks(0, 1, 5, percent), "share of tokens"),
        theme=theme,
    )


def _sentence(
    shares: NDArray[np.float64], domains: Sequence[str], *, layer: int, fair: float
) -> str:
    """One sentence for a person who cannot see the heatmap."""
    domain, expert = map(int, np.unravel_index(int(shares.argmax()), shares.shape))
    strong = int((shares.max(0) >= 3 * fair).sum())
    return (
        f"Heatmap of domains by experts in layer {layer}: expert {expert_name(expert, layer)} gets "
        f"{shares[domain, expert]:.0%} of the {domains[domain]} tokens; {strong} of "
        f"{shares.shape[1]} experts get at least three times their fair share of some domain."
    )
