"""The words around every figure: its menu and the table of its numbers."""

from collections.abc import Mapping

# What the menu starts with (plot.html).
HTML: Mapping[str, str] = {
    "menu": "Save this figure or show its numbers",
    "svg": "Figure as SVG",
    "png": "Figure as PNG",
    "csv": "Numbers as CSV",
    "show": "Show the numbers",
    "numbers": "The numbers of the figure",
}
# What its script says.
SCRIPT: Mapping[str, str] = {
    "show": HTML["show"],
    "hide": "Hide the numbers",
    "cut": "The first {shown} of {rows} rows; the CSV file has all.",
}
