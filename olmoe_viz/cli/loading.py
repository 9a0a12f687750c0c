"""Loading a model for a command; nothing large is downloaded without a yes."""

from typing import TYPE_CHECKING

import click

import olmoe_viz as ov
from olmoe_viz.cli.options import Wanted
from olmoe_viz.models import catalogue

if TYPE_CHECKING:
    from olmoe_viz.models.model import Model


def load(wanted: Wanted) -> "Model":
    """Load a model; what would have to be downloaded first is asked for unless that is agreed.

    Raises click.Abort for a no, and for no answer, as in a script; ModelError as `ov.load_model`.
    """
    name = catalogue.with_revision(wanted.name, wanted.revision)
    entry = catalogue.find(name)
    if entry is not None and entry.hub_id is not None and not wanted.agreed:
        there = catalogue.on_disk(entry)
        if not there.complete and not there.hub_is_off:
            click.confirm(question(entry, there), abort=True, err=True)
    click.echo(f"Loading {name}.", err=True)
    from olmoe_viz.models.progress_bars import for_people  # loads transformers: not for --help

    with for_people():
        return ov.load_model(name, device=wanted.device, dtype=wanted.dtype)


def reading(done: int, total: int) -> None:
    """Say on stderr how far a long text is read; a short one is read at once."""
    if done:
        click.echo(f"Reading: {done:,} of {total:,} tokens.", err=True)


def question(entry: catalogue.Entry, there: catalogue.OnDisk) -> str:
    """Say what a download takes, and ask for it."""
    missing = max(entry.download - there.arrived, 0)
    minutes = max(round(missing * 8 / 100e6 / 60), 1)
    return (
        f"{entry.name} is not on this machine. About {missing / 1e9:.1f} GB must be downloaded, "
        f"{minutes} minutes at 100 Mbit/s; {there.free / 1e9:.1f} GB of the disk are free. "
        f"It needs {entry.memory / 1e9:.1f} GB of memory. Download it? (--yes answers this)"
    )
