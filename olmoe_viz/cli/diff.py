"""`olmoe-viz diff`: two saved runs against each other."""

import json
from itertools import islice
from typing import Any

import click

import olmoe_viz as ov
from olmoe_viz.analysis.run import Run, run_of
from olmoe_viz.analysis.two_runs import Difference, difference
from olmoe_viz.cli.options import RunFile, json_option
from olmoe_viz.errors import InputError
from olmoe_viz.records.record import Record

NEXT_TOKENS = 5
MEASURES = (
    "shared experts: of the experts that ran for a token in first, how many ran for it in second",
    "mass: the router probability that the experts which ran have together, mean of the tokens",
    "load distance: 0 if every expert is as busy in both, 1 if none is busy in both",
)


@click.command(
    short_help="Set two saved runs against each other.",
    epilog="Try: olmoe-viz diff run.safetensors other.safetensors",
)
@click.argument("first", type=RunFile())
@click.argument("second", type=RunFile())
@json_option
@click.pass_context
def diff(context: click.Context, first: Record, second: Record, as_json: bool) -> None:
    """Set two saved runs against each other: k against k, model against model.

    FIRST and SECOND are traces or generations, or as FILE#1 the second text of a comparison, FILE#0
    its first. A line is one layer, over the tokens that both begin with; what its numbers measure
    stands above them. As with diff, the exit code is 0 if tokens, experts and weights are the same,
    1 if they differ, and 2 if a file cannot be read.
    """
    try:
        runs = run_of(first), run_of(second)
    except InputError as error:
        raise click.UsageError(str(error)) from None
    found = difference(*runs)
    expected = [_next(each) for each in (first, second)]
    if as_json:
        click.echo(json.dumps(facts(runs, found, expected)))
    else:
        click.echo(table(runs, found, expected))
    context.exit(0 if found.same else 1)


def table(runs: tuple[Run, Run], found: Difference, expected: list[list[str]]) -> str:
    """Return the runs, their first difference, a line a layer, and the next tokens."""
    lines = [f"{name}: {run.model}, {run.policy}" for name, run in _named(runs)]
    if found.first_token is None:
        lines.append(f"tokens: the same {found.common}")
    else:
        texts = (f"{name} {_token(run, found.first_token)}" for name, run in _named(runs))
        lines.append(f"tokens: different from token {found.first_token} on: {', '.join(texts)}")
    if found.layers is None:
        return "\n".join([*lines, found.reason])
    lines += [*MEASURES, " layer  shared experts  mass of first  mass of second  load distance"]
    layers = found.layers
    values = zip(
        runs[0].geometry.layer_ids, layers.shared, *layers.masses, layers.load_distance, strict=True
    )
    lines += [
        f"{layer:6}  {shared:14.3f}  {mass:13.3f}  {other:14.3f}  {load:13.3f}"
        for layer, shared, mass, other, load in values
    ]
    for (name, _), tokens in zip(_named(runs), expected, strict=True):
        lines += [f"next tokens of {name}: {'  '.join(tokens)}"] if tokens else []
    return "\n".join(lines)


def facts(runs: tuple[Run, Run], found: Difference, expected: list[list[str]]) -> dict[str, Any]:
    """Return what JSON says of the difference."""
    layers = found.layers
    compared = None
    if layers is not None:
        compared = {
            "layers": list(runs[0].geometry.layer_ids),
            "shared": layers.shared.tolist(),
            "masses": [mass.tolist() for mass in layers.masses],
            "load_distance": layers.load_distance.tolist(),
        }
    return {
        "runs": [
            {"model": run.model, "policy": str(run.policy), "next_tokens": tokens}
            for run, tokens in zip(runs, expected, strict=True)
        ],
        "same": found.same,
        "first_different_token": found.first_token,
        "common_tokens": found.common,
        "by_layer": compared,
        "reason": found.reason,
    }


def _named(runs: tuple[Run, Run]) -> list[tuple[str, Run]]:
    return list(zip(("first", "second"), runs, strict=True))


def _token(run: Run, place: int) -> str:
    return repr(run.tokens[place]) if place < len(run.tokens) else "has ended"


def _next(record: Record) -> list[str]:
    return list(islice(record.next_tokens, NEXT_TOKENS)) if isinstance(record, ov.Trace) else []
