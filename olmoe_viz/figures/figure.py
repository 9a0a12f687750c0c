"""What every figure function returns: one description that is drawn, shown, exported and tabulated.

The page's widget (`ui.widgets.figure`) draws it in a few milliseconds; a notebook shows it by
itself; a report takes `to_svg`, whoever wants to zoom takes `to_plotly`, and `to_frame` has the
numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from olmoe_viz.figures.marks import Axis, Bars, Box, Cells, ColorBar, Line, Note, Numbers, Rule
from olmoe_viz.figures.palette import Theme

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Mark = Bars | Cells | Line


@dataclass(frozen=True, repr=False)
class Figure:
    """A figure as high as `height` pixels and as wide as there is room.

    Args:
        alt: the sentence for those who cannot see it.
        height: in pixels.
        margin: pixels at the top, right, bottom and left.
        x: axes along the bottom; a line may go by another than the first.
        y: the axis at the left.
        marks: what stands inside the axes, with the numbers that a table says of it.
        rules: straight lines at one value.
        notes: words in the figure.
        boxes: outlines.
        bar: the key of the cells' colors.
        numbers: what a table says beside the marks' own: a column's name -> its entries.
        theme: whose inks it has outside of a page; a page takes those of its own theme.
    """

    alt: str
    height: int
    margin: tuple[int, int, int, int]
    x: tuple[Axis, ...]
    y: Axis
    marks: tuple[Mark, ...]
    rules: Sequence[Rule] = ()
    notes: Sequence[Note] = ()
    boxes: Sequence[Box] = ()
    bar: ColorBar | None = None
    numbers: Numbers = field(default_factory=dict)
    theme: Theme = "light"

    def __repr__(self) -> str:
        return f"<Figure: {self.alt}>"

    @property
    def has_key(self) -> bool:
        """Whether the names of lines stand below the figure."""
        return any(isinstance(mark, Line) and mark.name for mark in self.marks)

    def data(self) -> dict[str, Any]:
        """What the browser gets: dicts, lists, numbers and text."""
        return vars(self) | {
            "x": [vars(axis) for axis in self.x],
            "y": vars(self.y),
            "marks": [{"kind": type(mark).__name__, **vars(mark)} for mark in self.marks],
            "rules": [vars(rule) for rule in self.rules],
            "notes": [vars(note) for note in self.notes],
            "boxes": [vars(box) for box in self.boxes],
            "bar": self.bar and vars(self.bar),
        }

    def to_frame(self) -> "pd.DataFrame":
        """The numbers that are drawn, a row each; columns are named with their units."""
        from olmoe_viz.figures.as_frame import as_frame

        return as_frame(self.marks, self.numbers)

    def to_svg(self, width: int = 720) -> str:
        """The figure as an SVG document, `width` pixels wide, with the hover words as tooltips."""
        from olmoe_viz.figures.as_svg import as_svg

        return as_svg(self, width)

    def to_plotly(self) -> "go.Figure":
        """The figure as a plotly figure: to zoom, to export, to lay out in a report."""
        from olmoe_viz.figures.as_plotly import as_plotly

        return as_plotly(self)

    def _repr_html_(self) -> str:
        return f'<div style="max-width: 720px">{self.to_svg()}</div>'
