"""`olmoe-viz import`: routes that another tool wrote."""

import json
from pathlib import Path

import click

from olmoe_viz.cli.options import json_option
from olmoe_viz.cli.routes import facts, table
from olmoe_viz.cli.whole_file import whole_file
from olmoe_viz.exchange import long_form, serving

TABLES = (".parquet", ".csv")


@click.command(
    "import",
    short_help="Read routes that another tool wrote.",
    epilog="Try: olmoe-viz import answer.json --save routes.csv",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--layers",
    type=click.IntRange(1, 1_000),
    default=16,
    show_default=True,
    help="Layers of experts, for ids in base64 without a shape.",
)
@click.option(
    "--k",
    type=click.IntRange(1, 1_024),
    default=8,
    show_default=True,
    help="Experts of each token, for the same.",
)
@click.option(
    "--save", type=click.Path(path_type=Path), help="Also write a .parquet or .csv table of them."
)
@json_option
def import_(file: Path, layers: int, k: int, save: Path | None, as_json: bool) -> None:
    """Read the routes that another tool wrote, and show them as far as they go.

    FILE is JSON that vLLM or SGLang answered, with routed_experts in it (ids [tokens, layers, k],
    as lists or base64), or a .csv or .parquet table with the columns token, layer and expert, and
    rank, logit, probability and weight as far as they are known. Servers say which experts were
    chosen, but neither logits nor weights.
    """
    if save is not None and save.suffix not in TABLES:
        raise click.UsageError(f"--save must end in {' or '.join(TABLES)}; it is {save.name}.")
    is_table = file.suffix in TABLES
    routes = long_form.read(file) if is_table else serving.read(file, layers, k)
    click.echo(json.dumps(facts(routes)) if as_json else table(routes))
    if save is not None:
        with whole_file(save) as part:
            long_form.write(part, save.suffix, long_form.table(routes))
