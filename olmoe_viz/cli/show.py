"""`olmoe-viz show`: what a file holds, without a model."""

import json
from pathlib import Path
from typing import Any

import click

import olmoe_viz as ov
from olmoe_viz import json_form
from olmoe_viz.cli.compare import facts as text_facts
from olmoe_viz.cli.compare import printable, summary
from olmoe_viz.cli.inspect import facts as inspection_facts
from olmoe_viz.cli.inspect import table as inspection_table
from olmoe_viz.cli.options import RecordFile, json_option
from olmoe_viz.cli.routes import facts as route_facts
from olmoe_viz.cli.routes import table as route_table
from olmoe_viz.cli.trace import facts as trace_facts
from olmoe_viz.cli.trace import table as trace_table
from olmoe_viz.exchange import long_form
from olmoe_viz.exchange.routes import Routes
from olmoe_viz.records.attention import Attention
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.inspection import Inspection
from olmoe_viz.records.record import Record


class _Shown(RecordFile):
    """A record, or a table of routes in the long form."""

    def convert(self, value: object, param: Any, ctx: Any) -> Any:
        path = Path(str(value))
        if path.suffix not in (".csv", ".parquet"):
            return super().convert(value, param, ctx)
        try:
            return long_form.read(path)
        except (ValueError, OSError) as error:
            self.fail(str(error), param, ctx)


@click.command(
    short_help="Print what a saved file holds.",
    epilog="Try: olmoe-viz show run.safetensors",
)
@click.argument("file", type=_Shown())
@json_option
def show(file: Record | Comparison | Routes, as_json: bool) -> None:
    """Print what a saved file holds, without loading a model.

    FILE is a record that `trace --save`, `compare --save` or the app wrote, whose checksum is
    verified, or a table of routes (.csv or .parquet) as `import --save` and `export` write it. Of
    an inspection or of attention that a program saved, the numbers of that one token are printed.
    The exit code is 2 for a file that cannot be read.
    """
    click.echo(json.dumps(facts(file)) if as_json else table(file))


def table(file: Record | Comparison | Routes) -> str:
    """Return the table of what the file holds."""
    if isinstance(file, Routes):
        return route_table(file)
    if isinstance(file, ov.Trace):
        return f"{_origin(file)}\n{trace_table(file)}"
    rows = _generations(file)
    if rows:
        texts = [f"{run.policy}\n{printable(run.prompt + run.text)}\n" for run in rows]
        return "\n".join([_origin(rows[0]), *texts, summary(rows)])
    if isinstance(file, Inspection):
        return f"{_origin(file)}\n{inspection_table(file)}"
    if isinstance(file, Attention):
        return f"{_origin(file)}\n{_heads(file)}"
    return json.dumps(facts(file), indent=1)


def _heads(attention: Attention) -> str:
    """Return one line a head: where the last of the tokens looks most."""
    asked, last = attention.request, attention.weights[:, -1]
    lines = [
        f"layer {asked.layer}, from token {asked.stop - 1}",
        "head  strongest at token  weight",
    ]
    lines += [
        f"{head:4}  {asked.seen_from + int(row.argmax()):18}  {row.max():6.3f}"
        for head, row in enumerate(last)
    ]
    return "\n".join(lines)


def facts(file: Record | Comparison | Routes) -> Any:
    """Return what JSON says of it: of a record of another kind all but its arrays."""
    if isinstance(file, Routes):
        return route_facts(file)
    if isinstance(file, ov.Trace):
        return {"kind": file.kind} | trace_facts(file)
    rows = _generations(file)
    if rows:
        return {"kind": file.kind, "texts": list(map(text_facts, rows))}
    if isinstance(file, Inspection):
        return {"kind": file.kind} | inspection_facts(file)
    described = {
        name: json_form.encode(value)
        for name, value in vars(file).items()
        if not hasattr(value, "dtype")
    }
    return {"kind": file.kind} | described


def _generations(file: Record | Comparison) -> tuple[ov.Generation, ...]:
    if isinstance(file, Comparison):
        return file.generations
    return (file,) if isinstance(file, ov.Generation) else ()


def _origin(record: ov.Trace | ov.Generation | Inspection | Attention) -> str:
    origin = record.provenance
    return (
        f"{record.kind} recorded {origin.created}: {origin.model} ({origin.digest}), "
        f"{origin.dtype} on {origin.device}, {origin.runner}"
    )
