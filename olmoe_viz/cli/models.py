"""`olmoe-viz models`: what can be loaded by name."""

import json
from typing import Any

import click

from olmoe_viz.cli.options import json_option
from olmoe_viz.models import catalogue


@click.command(
    short_help="List the models that are known by name.",
    epilog="Try: olmoe-viz models",
)
@json_option
def models(as_json: bool) -> None:
    """List the models that are known by name, and which of them are on this machine.

    Beside these, a folder with an OLMoE checkpoint is a model. Nothing is loaded or downloaded.
    """
    found = [facts(entry) for entry in catalogue.CATALOGUE]
    click.echo(json.dumps(found) if as_json else table(found))


def facts(entry: catalogue.Entry) -> dict[str, Any]:
    """Return what is known of a model before it is loaded."""
    here = entry.hub_id is None or catalogue.on_disk(entry).complete
    return {
        "name": entry.name,
        "revision": entry.revision,
        "here": here,
        "download_bytes": 0 if here else entry.download,
        "memory_bytes": entry.memory,
        "layers": entry.layers,
        "experts": entry.experts,
        "trained_k": entry.trained_k,
        "context": entry.context,
        "chat": entry.chat,
        "description": entry.description,
    }


def table(found: list[dict[str, Any]]) -> str:
    """Return one line a model."""
    wide = max(len(each["name"]) for each in found)
    lines = [f"{'name':{wide}}  here  download    memory  context  revision"]
    lines += [
        f"{each['name']:{wide}}  {'yes ' if each['here'] else 'no  '}  "
        f"{_gb(each['download_bytes'])}  {_gb(each['memory_bytes'])}  {each['context']:7,}  "
        f"{_commit(each['revision'])}"
        for each in found
    ]
    return "\n".join(lines)


def _commit(revision: str | None) -> str:
    return "with this package" if revision is None else revision[:12]


def _gb(count: int) -> str:
    return f"{count / 1e9:5.1f} GB" if count else f"{'-':>8}"
