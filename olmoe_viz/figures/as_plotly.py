"""A figure as a plotly figure, for whoever wants to zoom, to export or to lay out a report.

plotly reads a little HTML, TeX and its own templates: all text is made inert on its way.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from olmoe_viz.figures.cell_words import cell_words
from olmoe_viz.figures.labels import safe
from olmoe_viz.figures.look import LOOK
from olmoe_viz.figures.marks import (
    HOLLOW,
    Axis,
    Bars,
    Box,
    Cells,
    ColorBar,
    Line,
    Note,
    Rule,
)
from olmoe_viz.figures.palette import INKS

if TYPE_CHECKING:
    from olmoe_viz.figures.figure import Figure

_CLEAR = "rgba(0,0,0,0)"
_HOVER = "%{hovertext}<extra></extra>"


def as_plotly(figure: "Figure") -> go.Figure:
    """The same marks, axes and words, under plotly's own tools."""
    return _Conversion(figure).result()


def _words(text: str) -> str:
    return safe(text).replace("\n", "<br>")


class _Conversion:
    def __init__(self, figure: "Figure") -> None:
        self.figure, self.theme = figure, figure.theme

    def ink(self, color: str) -> str:
        return _CLEAR if color == HOLLOW else str(getattr(INKS[self.theme], color, color))

    def result(self) -> go.Figure:
        figure = self.figure
        chart = go.Figure(layout=self.layout())
        bar = figure.bar
        for mark in figure.marks:
            if isinstance(mark, Bars):
                chart.add_bar(**self.bars(mark))
            elif isinstance(mark, Cells):
                chart.add_heatmap(**self.cells(mark, bar))
                bar = None  # one key is enough
            else:
                chart.add_scatter(**self.line(mark))
        for rule in figure.rules:
            chart.add_shape(**self.rule(rule))
        for box in figure.boxes:
            chart.add_shape(**self.box(box))
        for note in figure.notes:
            chart.add_annotation(**self.note(note))
        return chart

    def layout(self) -> dict[str, Any]:
        figure, inks = self.figure, INKS[self.theme]
        top, right, bottom, left = figure.margin
        axes = {
            "xaxis" + (str(at + 1) if at else ""): self.axis(axis) | {"domain": list(axis.part)}
            for at, axis in enumerate(figure.x)
        }
        return axes | {
            "yaxis": self.axis(figure.y),
            "height": figure.height,
            "autosize": True,
            "margin": {"t": top, "r": right, "b": bottom, "l": left},
            "font": {"family": LOOK.text_font, "size": LOOK.caption, "color": inks.ink},
            "paper_bgcolor": inks.paper,
            "plot_bgcolor": inks.paper,
            "showlegend": figure.has_key,
            "legend": {
                "orientation": "h",
                "x": 0,
                "y": 0,
                "yref": "container",
                "yanchor": "bottom",
            },
            "barmode": "overlay",
            "hovermode": "closest",
            "hoverlabel": {
                "bgcolor": inks.panel,
                "bordercolor": inks.line,
                "font": {"family": LOOK.text_font, "size": 14, "color": inks.ink},
                "align": "left",
            },
        }

    def axis(self, axis: Axis) -> dict[str, Any]:
        inks = INKS[self.theme]
        caption = {"size": LOOK.caption, "color": inks.muted}
        number = {"family": LOOK.number_font, "size": LOOK.small, "color": inks.muted}
        return {
            "type": "log" if axis.log else "linear",
            "range": [float(np.log10(end)) if axis.log else end for end in axis.span],
            "tickvals": [value for value, _ in axis.ticks],
            "ticktext": [safe(words) for _, words in axis.ticks],
            "tickfont": number if axis.number else caption,
            "title": {"text": safe(axis.title), "font": caption},
            "showgrid": False,
            "zeroline": False,
            "showline": not axis.bare,
            "linecolor": inks.line,
            "ticks": "" if axis.bare else "outside",
            "ticklen": LOOK.tick,
            "tickcolor": inks.line,
        }

    def bars(self, mark: Bars) -> dict[str, Any]:
        return {
            "x": list(mark.at),
            "base": [mark.low] * len(mark.at),
            "y": [None if high is None else high - mark.low for high in mark.high],
            "width": mark.width,
            "marker": {
                "color": [self.ink(fill) for fill in mark.fills],
                "line": {
                    "color": [self.ink(color) for color in mark.outlines],
                    "width": LOOK.outline,
                },
            },
            "text": [safe(name) for name in mark.names] or None,
            "textposition": "outside",
            "textfont": {"family": LOOK.number_font, "size": LOOK.small},
            "cliponaxis": False,
            "hovertext": [_words(words) for words in mark.hover],
            "hovertemplate": _HOVER,
            "showlegend": False,
        }

    def cells(self, mark: Cells, bar: ColorBar | None) -> dict[str, Any]:
        rows, columns = len(mark.values), len(mark.values[0])
        steps = len(mark.scale) - 1
        return {
            "z": [list(row) for row in mark.values],
            "x": [mark.first[1] + c for c in range(columns)],
            "y": [mark.first[0] + r for r in range(rows)],
            "zmin": mark.span[0],
            "zmax": mark.span[1],
            "colorscale": [(at / steps, color) for at, color in enumerate(mark.scale)],
            "xgap": mark.gaps[0],
            "ygap": mark.gaps[1],
            "hoverongaps": False,
            "hovertext": [
                [_words(cell_words(mark, r, c)) for c in range(columns)] for r in range(rows)
            ],
            "hovertemplate": _HOVER,
            "text": [[safe(words) for words in row] for row in mark.texts] or None,
            "texttemplate": "%{text}" if mark.texts else None,
            "showscale": bar is not None,
            "colorbar": self.color_bar(bar) if bar else None,
        }

    def color_bar(self, bar: ColorBar) -> dict[str, Any]:
        font = {"size": LOOK.caption, "color": INKS[self.theme].muted}
        return {
            "title": {"text": safe(bar.title), "side": "right", "font": font},
            "thickness": LOOK.color_bar,
            "outlinewidth": 0,
            "tickvals": [value for value, _ in bar.ticks],
            "ticktext": [safe(words) for _, words in bar.ticks],
            "tickfont": font,
        }

    def line(self, mark: Line) -> dict[str, Any]:
        parts = ["lines"] * (mark.width > 0) + ["markers"] * bool(mark.dots or mark.arrow)
        color = self.ink(mark.color)
        return {
            "x": list(mark.x),
            "y": list(mark.y),
            "xaxis": f"x{mark.axis + 1}" if mark.axis else "x",
            "mode": "+".join(parts),
            "name": safe(mark.name),
            "showlegend": bool(mark.name),
            "line": {
                "color": color,
                "width": mark.width,
                "dash": mark.dash,
                "shape": "hvh" if mark.steps else "linear",
            },
            "marker": self.dots(mark, color),
            "fill": "tozeroy" if mark.area else None,
            "fillcolor": self.ink(mark.area) if mark.area else None,
            "error_y": _errors(mark, color),
            "hovertext": [_words(words) for words in mark.hover],
            "hovertemplate": _HOVER,
        }

    def dots(self, mark: Line, color: str) -> dict[str, Any]:
        sizes, shapes = list(mark.dots or [0] * len(mark.x)), [mark.shape] * len(mark.x)
        if mark.arrow:
            sizes[-1], shapes[-1] = 9, "arrow"  # type: ignore[call-overload]
        return {
            "size": sizes,
            "symbol": shapes,
            "angleref": "previous" if mark.arrow else "up",
            "color": [self.ink(fill) for fill in mark.fills] or color,
            "opacity": 1,
            "line": {"color": color, "width": LOOK.ring if mark.fills else 0},
        }

    def rule(self, rule: Rule) -> dict[str, Any]:
        along, across = ("x", "y") if rule.along == "x" else ("y", "x")
        return {
            "type": "line",
            f"{along}0": rule.at,
            f"{along}1": rule.at,
            f"{along}ref": along,
            f"{across}0": 0,
            f"{across}1": rule.reach,
            f"{across}ref": "paper",
            "layer": "below" if rule.color == "line" else "above",
            "line": {
                "color": self.ink(rule.color),
                "width": rule.width,
                "dash": "dot" if rule.dotted else "solid",
            },
        }

    def box(self, box: Box) -> dict[str, Any]:
        left, right, top, bottom = box.sides
        return {
            "type": "rect",
            "x0": left,
            "x1": right,
            "y0": top,
            "y1": bottom,
            "line": {"color": self.ink(box.color), "width": LOOK.box},
        }

    def note(self, note: Note) -> dict[str, Any]:
        words = _words(note.text)
        on_log = self.figure.x[0].log and "x" not in note.paper
        return {
            "text": f"<b>{words}</b>" if note.bold else words,
            "x": float(np.log10(note.x)) if on_log else note.x,
            "y": note.y,
            "xref": "paper" if "x" in note.paper else "x",
            "yref": "paper" if "y" in note.paper else "y",
            "xanchor": {"start": "left", "middle": "center", "end": "right"}[note.anchor],
            "yanchor": "middle",
            "xshift": note.shift[0],
            "yshift": -note.shift[1],
            "showarrow": False,
            "font": {
                "color": self.ink(note.color),
                "size": note.size,
                "family": LOOK.number_font if note.number else LOOK.text_font,
            },
        }


def _errors(mark: Line, color: str) -> dict[str, Any]:
    if mark.spread is None:
        return {"visible": False}
    low, high = mark.spread
    return {
        "visible": True,
        "symmetric": False,
        "array": [end - at for at, end in zip(mark.y, high, strict=True)],
        "arrayminus": [at - end for at, end in zip(mark.y, low, strict=True)],
        "color": color,
        "thickness": 1,
        "width": LOOK.cap,
    }
