"""`olmoe-viz report`: a saved run as one HTML file."""

from pathlib import Path

import click

from olmoe_viz.cli.options import RunFile
from olmoe_viz.cli.whole_file import whole_file
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.record import Record


class _CellParameter(click.ParamType[tuple[int, int]]):
    """A layer and a token, with a colon between."""

    name = "layer:token"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        layer, _, token = str(value).partition(":")
        if not (layer.isdecimal() and token.isdecimal()):
            self.fail(f"Write a cell as LAYER:TOKEN, such as 3:10; it is {value}.", param, ctx)
        return int(layer), int(token)


@click.command(
    short_help="Write a saved run as one HTML page.",
    epilog="Try: olmoe-viz report run.safetensors other.safetensors --save report.html",
)
@click.argument("file", type=RunFile())
@click.argument("other", type=RunFile(), required=False)
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    default="report.html",
    show_default=True,
    help="The file to write.",
)
@click.option(
    "--cell",
    "cells",
    type=_CellParameter(),
    multiple=True,
    help="Draw the router of this cell; may be given again.",
)
def report(
    file: Record | Comparison,
    other: Record | Comparison | None,
    save: Path,
    cells: tuple[tuple[int, int], ...],
) -> None:
    """Write a saved run as one HTML page that opens offline.

    It has the map, the routers of some cells, the load of the experts, and where the numbers are
    from; with OTHER, a second run, also what differs between the two. FILE and OTHER are traces,
    generations or comparisons, whose texts are set against the first; FILE#1 is the second alone.
    OTHER may also be the effects that were measured in the run.
    """
    from olmoe_viz.report.page import page

    written = page(file, other, cells)
    with whole_file(save) as part:
        part.write_text(written, encoding="utf-8")
    click.echo(f"{save}: {save.stat().st_size:,} bytes.", err=True)
