"""The numbers of a figure's marks as one table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from olmoe_viz.figures.marks import Bars, Cells, Line, Numbers


def as_frame(marks: Sequence[Bars | Cells | Line], further: Numbers) -> pd.DataFrame:
    """One row a bar, point or cell; marks without numbers, such as arrows, have none."""
    tables = [*map(_numbers, marks), further]
    frames = [pd.DataFrame(table) for table in tables if table]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _numbers(mark: Bars | Cells | Line) -> dict[str, list[Any]]:
    if not isinstance(mark, Cells):
        return {name: list(values) for name, values in mark.numbers.items()}
    row_name, column_name, value_name = mark.numbers
    first_row, first_column = mark.first
    places = [
        (r, c)
        for r, row in enumerate(mark.values)
        for c, value in enumerate(row)
        if value is not None
    ]
    table: dict[str, list[Any]] = {
        row_name: [mark.rows[r] if mark.rows else first_row + r for r, _ in places],
        column_name: [mark.columns[c] if mark.columns else first_column + c for _, c in places],
    }
    if mark.texts:
        table["text"] = [mark.texts[r][c] for r, c in places]
    for name, grid in {value_name: mark.values, **mark.more}.items():
        table[name] = [grid[r][c] for r, c in places]
    return table
