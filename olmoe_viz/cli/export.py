"""`olmoe-viz export`: a saved run in the forms of other tools."""

from dataclasses import replace
from pathlib import Path

import click

from olmoe_viz.analysis.run import run_of
from olmoe_viz.cli.options import RecordFile, RunFile
from olmoe_viz.cli.whole_file import whole_file
from olmoe_viz.exchange import about, long_form, transformer_lens
from olmoe_viz.exchange.routes import Routes, routes_of, with_effects
from olmoe_viz.records.effects import Effects
from olmoe_viz.records.record import Record
from olmoe_viz.records.trace import Trace

KINDS = (".parquet", ".csv", ".npz")


@click.command(
    short_help="Write a saved run for other tools.",
    epilog="Try: olmoe-viz export run.safetensors routes.parquet",
)
@click.argument("file", type=RunFile())
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--effects",
    type=RecordFile(),
    help="Effects that were measured in the run, for a table's column of that name.",
)
def export(file: Record, output: Path, effects: Record | None) -> None:
    """Write the routing of a saved run for other tools.

    FILE is a trace, a generation, or as FILE#0 the first text of a comparison; the end of OUTPUT
    says what is written. A table in the long form as .parquet or .csv has a row for each expert of
    each token in each layer: token, layer, rank, expert, logit, probability, weight, and with
    --effects, in nats, effect. Dense arrays as .npz have TransformerLens's names:
    blocks.0.mlp.hook_expert_weights (the softmax over all experts) and hook_expert_indices.
    """
    if output.suffix not in KINDS:
        raise click.UsageError(f"The output must end in {', '.join(KINDS)}; it is {output.name}.")
    run = run_of(file)
    routes = _with_effects(file, routes_of(run), effects)
    with whole_file(output) as part:
        if output.suffix == ".npz":
            transformer_lens.write(part, run)
        else:
            long_form.write(part, output.suffix, long_form.table(routes, about.metadata_of(run)))
    click.echo(f"{output}: {output.stat().st_size:,} bytes.", err=True)


def _with_effects(file: Record, routes: Routes, effects: Record | None) -> Routes:
    """Add measured effects to routes; UsageError where they are none, or of another run."""
    if effects is None:
        return routes
    if not isinstance(effects, Effects):
        raise click.UsageError(f"--effects names a {effects.kind}, and no measured effects.")
    asked = effects.request.run
    if not isinstance(file, Trace) or replace(asked, detail=file.detail) != file.request:
        raise click.UsageError("The effects were measured in another run.")
    return with_effects(routes, effects.request.cells, effects.expert_ids, effects.kl)
