"""The color of an expert, which is a layer and an id: it says what the expert is used for.

Where that is not recorded, the color only tells the experts of one layer apart. An id has another
color in every layer then, since one id in two layers is two experts.
"""

from olmoe_viz.figures.palette import FAMILIES, TONES, Theme, distinct_colors, domain_colors
from olmoe_viz.records.expert_uses import ExpertUses

_ROUND = FAMILIES * TONES
_TURN = 27  # from one layer to the next; it shares no factor with the round


def expert_color(
    expert: int, layer: int | None, theme: Theme, uses: ExpertUses | None = None
) -> str:
    """The color of one expert; without a layer that of the first."""
    scale = color_scale(expert + 1, theme, uses)
    return scale[color_place(expert, layer or 0, uses) % len(scale)]


def color_scale(experts: int, theme: Theme, uses: ExpertUses | None = None) -> tuple[str, ...]:
    """All colors that so many experts have: of the domains and of none, or distinct ones."""
    if uses is not None:
        return domain_colors(len(uses.domains), theme)
    return distinct_colors(min(-(-experts // _ROUND), 4) * _ROUND, theme)


def color_place(expert: int, layer: int, uses: ExpertUses | None = None) -> int:
    """The place of an expert's color in the scale; beyond its end it starts again."""
    if uses is None:
        return expert // _ROUND * _ROUND + (expert + _TURN * layer) % _ROUND
    preferred = int(uses.preferred[layer, expert])
    return preferred if preferred >= 0 else len(uses.domains)
