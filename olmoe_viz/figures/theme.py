"""The plotly template of both themes: type, axes, hover, and nothing that carries no data."""

from functools import cache

import plotly.graph_objects as go

from olmoe_viz.figures.palette import DIVERGING, INKS, SEQUENTIAL, Theme, colorscale, expert_colors

# "Source Sans" and "Source Code" are the faces that Streamlit serves itself; the rest are
# what a reader without them has, for figures in notebooks and reports.
TEXT_FONT = "'Source Sans', system-ui, sans-serif"
NUMBER_FONT = "'Source Code Pro', ui-monospace, monospace"
CAPTION = 13


@cache
def template(theme: Theme) -> go.layout.Template:
    """Layout template: captions of 13 px, thin ink axes, no boxes, quiet grid."""
    inks = INKS[theme]
    axis = {
        "showgrid": False,
        "zeroline": False,
        "showline": True,
        "linecolor": inks.line,
        "linewidth": 1,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": inks.line,
        "tickfont": {"color": inks.muted, "size": CAPTION},
        "title": {"font": {"color": inks.muted, "size": CAPTION}, "standoff": 8},
        "fixedrange": True,
    }
    layout = go.Layout(
        font={"family": TEXT_FONT, "size": CAPTION, "color": inks.ink},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=[inks.accent, inks.ink, inks.muted],
        colorscale={
            "sequential": colorscale(SEQUENTIAL[theme]),
            "diverging": colorscale(DIVERGING[theme]),
        },
        margin={"l": 52, "r": 16, "t": 16, "b": 44},
        xaxis=axis,
        yaxis=axis,
        showlegend=False,
        dragmode=False,
        hovermode="closest",
        hoverlabel={
            "bgcolor": inks.panel,
            "bordercolor": inks.line,
            "font": {"family": TEXT_FONT, "size": 14, "color": inks.ink},
            "align": "left",
        },
        bargap=0.18,
        # Bars too thin for their number show none, rather than one that cannot be read.
        uniformtext={"minsize": 9, "mode": "hide"},
    )
    return go.layout.Template(layout=layout)


def figure(theme: Theme, height: int) -> go.Figure:
    """An empty figure under the template, `height` pixels high."""
    return go.Figure(layout={"template": template(theme), "height": height, "autosize": True})


def color_bar(theme: Theme, title: str) -> dict[str, object]:
    """A thin color bar with its unit as the title."""
    inks = INKS[theme]
    return {
        "title": {"text": title, "side": "right", "font": {"size": CAPTION, "color": inks.muted}},
        "thickness": 10,
        "outlinewidth": 0,
        "tickfont": {"size": CAPTION, "color": inks.muted},
        "ticklen": 3,
        "tickcolor": inks.line,
    }


def expert_axis(chart: go.Figure, experts: int, above: float, theme: Theme) -> None:
    """Expert ids along x, and a row of dots at y = `above` in the experts' colors as their key."""
    chart.add_scatter(
        x=list(range(experts)),
        y=[above] * experts,
        mode="markers",
        marker={"symbol": "square", "size": 7, "color": list(expert_colors(experts, theme))},
        hovertemplate="expert %{x}<extra></extra>",
    )
    chart.update_xaxes(
        title_text="expert id", tickvals=list(range(0, experts, 8)), range=[-0.7, experts - 0.3]
    )
