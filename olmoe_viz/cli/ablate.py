"""`olmoe-viz ablate`: effects over a corpus, as a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

import olmoe_viz as ov
from olmoe_viz.cli.loading import load
from olmoe_viz.cli.options import Wanted, measuring, policies, wanted_model, weighing
from olmoe_viz.interventions import LostMass
from olmoe_viz.models.catalogue import BUNDLED

if TYPE_CHECKING:
    from olmoe_viz.engine.ablating import Ablated


@click.command(
    short_help="Measure what experts do over a corpus.",
    epilog="Try: olmoe-viz ablate texts.txt effects --tokens 2 --layers 0,15",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--model", default=BUNDLED, show_default=True, help="A model's name, or a folder.")
@wanted_model
@weighing
@click.option("--k", default="8", show_default=True, help="Experts of each token.")
@click.option("--tokens", default=4, show_default=True, help="Tokens of a document, drawn.")
@click.option("--layers", help="Layers, with commas between; all if left out.")
@measuring
def ablate(
    file: Path,
    folder: Path,
    wanted: Wanted,
    k: str,
    threshold: str | None,
    weighting: str,
    tokens: int,
    layers: str | None,
    away: Literal["off", "route_around"],
    lost_mass: LostMass,
    read: Literal["own", "last"],
    seed: int,
) -> None:
    """Measure what experts do over a corpus, into a FOLDER of Parquet files and a manifest.

    FILE has a document on each line; empty lines are passed over. A run that was broken off goes on
    where it was when the same command is given again; `accelerate launch` shares the documents out
    among processes.
    """
    (policy,) = policies(wanted.name, [k], threshold, weighting, lost_mass)
    chosen = None if layers is None else tuple(map(int, layers.split(",")))
    plan = ov.AblationPlan(tokens, chosen, policy, away, read, seed=seed)
    texts = [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    ov.ablate(load(wanted), texts, plan, folder, _say)
    click.echo(f"{len(texts):,} documents in {folder}.")


def _say(how_far: "Ablated") -> None:
    click.echo(
        f"{how_far.done:,} of {how_far.total:,} documents, {how_far.left:,.0f} s to go.", err=True
    )
