"""`olmoe-viz inspect`: one token in one layer, opened."""

import json
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import olmoe_viz as ov
from olmoe_viz import json_form
from olmoe_viz.cli.loading import load, reading
from olmoe_viz.cli.options import Wanted, chat_template, json_option, model_and_policy, policies

if TYPE_CHECKING:
    from olmoe_viz.records.inspection import Inspection


@click.command(
    short_help="Open one token in one layer.",
    epilog='Try: olmoe-viz inspect "Once upon a time" --layer 3 --k 8,16',
)
@model_and_policy
@click.option("--k", default="8", show_default=True, help="One k or more, with commas between.")
@click.option("--layer", default=0, show_default=True, help="The layer, counted from 0.")
@click.option("--token", default=-1, show_default=True, help="Place of the token; -1 is the last.")
@chat_template
@json_option
def inspect(
    prompt: str,
    wanted: Wanted,
    plain: bool,
    k: str,
    threshold: str | None,
    weighting: str,
    layer: int,
    token: int,
    as_json: bool,
) -> None:
    """Open one token in one layer of experts: router, weights, and what each expert gives.

    The text is read with the first k; the layer is then opened with each k on that same input, so
    that a further k has the router logits of the first one's run and not those of its own. A
    line is one expert that a k chooses, by falling router logit: its probability, the share of its
    inner units that are active, the length of its output, and its weight with each k.
    """
    chosen = policies(wanted.name, k.split(","), threshold, weighting)
    loaded, template = load(wanted), False if plain else None
    run = ov.trace(loaded, prompt, chosen[0], "full", reading, template)
    place = token + len(run.tokens) if token < 0 else token
    found = ov.inspect(loaded, run, layer, place, chosen)
    text = run.tokens[found.token]
    click.echo(json.dumps(facts(found) | {"token_text": text}) if as_json else table(found, text))


def table(found: "Inspection", token: str = "") -> str:
    """Return one line an expert; `token` is the text of the token, where it is known."""
    columns = [f"weight at {policy}" for policy in found.policies]
    where = " ".join(filter(None, ["token", str(found.token), token]))
    lines = [
        f"{found.provenance.model}, {where}, layer {found.layer}",
        _input(found),
        "expert    logit  probability  active  output norm  " + "  ".join(columns),
    ]
    for row in _rows(found):
        weights = "  ".join(
            f"{weight:{len(column)}.4f}"
            for weight, column in zip(row["weights"], columns, strict=True)
        )
        lines.append(
            f"{row['expert']:6}  {row['logit']:7.3f}  {row['probability']:11.4f}  "
            f"{row['active_share']:6.2f}  {row['output_norm']:11.4g}  {weights}"
        )
    return "\n".join(lines)


def _input(found: "Inspection") -> str:
    """Say in which run the layer's input was made, and what any other k means."""
    ran = found.request.run.policy
    others = [str(policy) for policy in found.policies if policy != ran]
    said = f"input of the run with {ran}"
    if not others:
        return said
    return (
        f"{said}; {', '.join(others)}: chosen from the same router logits, with no run of its own"
    )


def facts(found: "Inspection") -> dict[str, Any]:
    """Return what JSON says of it: a row an expert, without the vectors."""
    return {
        "model": found.request.model,
        "layer": found.layer,
        "token": found.token,
        "input_of_run": str(found.request.run.policy),
        "policies": list(map(str, found.policies)),
        "input_norm": found.input_norm,
        "experts": _rows(found),
        "provenance": json_form.encode(found.provenance),
    }


def _rows(found: "Inspection") -> list[dict[str, Any]]:
    probabilities = ov.routing.probabilities(found.router_logits)
    norms = np.linalg.norm(found.outputs.astype(np.float64), axis=-1)
    return [
        {
            "expert": expert,
            "logit": float(found.router_logits[expert]),
            "probability": float(probabilities[expert]),
            "cosine": float(found.router_cosines[expert]),
            "active_share": float(found.active_shares[row]),
            "output_norm": float(norms[row]),
            "weights": found.weights[:, row].tolist(),
        }
        for row, expert in enumerate(found.ids.tolist())
    ]
