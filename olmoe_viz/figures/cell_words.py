"""What a cell of a figure says under the pointer."""

import re

from olmoe_viz.figures.marks import Cells


def cell_words(mark: Cells, r: int, c: int) -> str:
    """The mark's hover words with the names in braces replaced, once, by those of the cell."""
    value = mark.values[r][c] or 0.0
    known = {
        "row": str(mark.rows[r] if mark.rows else mark.first[0] + r),
        "column": str(mark.columns[c] if mark.columns else mark.first[1] + c),
        "value": f"{_said(100 * value, 3)}%" if mark.percent else _said(value, 4),
        "text": mark.texts[r][c] if mark.texts else "",
    } | {name: _said(grid[r][c] or 0.0, 4) for name, grid in mark.more.items()}
    return re.sub(r"\{([^{}]+)\}", lambda found: known.get(found[1], found[0]), mark.hover)


def _said(value: float, significant: int) -> str:
    return f"{value:.{significant}g}".replace("-", "−")
