"""The key of experts' colors below figures that have no room for one: a swatch a kind of text."""

from collections.abc import Iterable
from html import escape

import streamlit as st

from olmoe_viz.figures.expert_colors import color_place, expert_color
from olmoe_viz.figures.palette import Theme
from olmoe_viz.records.expert_uses import ExpertUses
from olmoe_viz.ui.texts import color_key as texts


def color_key(experts: Iterable[tuple[int, int]], uses: ExpertUses | None, theme: Theme) -> None:
    """Say what the colors of experts mean, each (layer, id), in the order of the kinds of text.

    `uses` is what they are used for, where that is recorded of the model's weights.
    """
    if uses is None:
        st.caption(texts.DISTINCT)
        return
    named = [*uses.domains, texts.NO_USE]
    colors = {
        color_place(expert, layer, uses): expert_color(expert, layer, theme, uses)
        for layer, expert in experts
    }
    swatches = "".join(
        f'<span><i style="background:{colors[place]}"></i>{escape(named[place])}</span>'
        for place in sorted(colors)
    )
    st.html(f'<p class="olmoe-colors"><span>{texts.COLOR}</span>{swatches}</p>')
