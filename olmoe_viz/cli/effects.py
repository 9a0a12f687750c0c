"""`olmoe-viz effects`: what the experts of a cell do, measured by taking each away."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import olmoe_viz as ov
from olmoe_viz import json_form
from olmoe_viz.cli.loading import load
from olmoe_viz.cli.options import Wanted, json_option, measuring, model_and_policy, policies
from olmoe_viz.interventions import LostMass

if TYPE_CHECKING:
    from olmoe_viz.records.effects import Effects


@click.command(
    short_help="Measure what each expert of a cell does.",
    epilog='Try: olmoe-viz effects "Once upon a time" --layer 3',
)
@model_and_policy
@click.option("--k", default="8", show_default=True, help="Experts of each token.")
@click.option("--layer", default=0, show_default=True, help="The layer, counted from 0.")
@click.option("--token", default=-1, show_default=True, help="Place of the token; -1 is the last.")
@measuring
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path), help="Also write the record."
)
@json_option
def effects(
    prompt: str,
    wanted: Wanted,
    k: str,
    threshold: str | None,
    weighting: str,
    layer: int,
    token: int,
    away: Literal["off", "route_around"],
    lost_mass: LostMass,
    read: Literal["own", "last"],
    seed: int,
    save: Path | None,
    as_json: bool,
) -> None:
    """Measure what each chosen expert of a token in one layer does to the next token.

    The text is read as it is. A line is one expert, taken away alone: its weight, how far the
    prediction moves (KL), what the likeliest token gains or loses, and the KL of the two controls:
    the expert with the nearest weight at another token, and random directions (2.5 to 97.5 % of
    20). Where another token is the likeliest without it, that token stands at the end.
    """
    (policy,) = policies(wanted.name, [k], threshold, weighting, lost_mass)
    loaded = load(wanted)
    place = token
    if token < 0:
        place += len(ov.trace(loaded, prompt, policy, chat_template=False).tokens)
    found = ov.effects(loaded, prompt, [(layer, place)], policy, away=away, read=read, seed=seed)
    click.echo(json.dumps(facts(found)) if as_json else table(found))
    if save is not None:
        found.save(save)


def table(found: "Effects") -> str:
    """Return one line an expert of each cell."""
    lines = []
    for row in facts(found)["cells"]:
        top = f"{row['top_token']} ({row['top_logprob']:.3f})"
        where = f"layer {row['layer']}, token {row['token']}"
        lines += [
            f"{found.provenance.model}, {where}, likeliest: {top}",
            "expert  weight         KL  log-prob. change  nearest elsewhere  random directions",
        ]
        lines += [
            f"{expert['expert']:6}  {expert['weight']:.4f}  {expert['kl']:9.2e}  "
            f"{expert['logprob_change']:+16.4f}  {expert['matched_kl']:17.2e}  "
            f"{expert['random'][0]:.1e} to {expert['random'][1]:.1e}"
            + (f"  likeliest: {expert['new_top_token']}" if expert["top_changed"] else "")
            for expert in row["experts"]
        ]
    return "\n".join(lines)


def facts(found: "Effects") -> dict[str, Any]:
    """Return what JSON says of effects with controls."""
    low, high = found.band()
    names: dict[str, Any] = {
        "expert": found.expert_ids,
        "weight": found.weights,
        "kl": found.kl,
        "logprob_change": found.logprob_changes,
        "rank": found.ranks,
        "top_changed": found.tops_changed,
        "matched_kl": found.matched_kl,
    }
    cells = []
    for row, (layer, token) in enumerate(found.request.cells):
        count = int((found.expert_ids[row] >= 0).sum())
        experts = [
            {name: values[row, column].item() for name, values in names.items()}
            | {
                "new_top_token": found.new_top_tokens[row][column],
                "random": [float(low[row, column]), float(high[row, column])],
            }
            for column in range(count)
        ]
        cells.append(
            {
                "layer": layer,
                "token": token,
                "top_token": found.top_tokens[row],
                "top_logprob": float(found.top_logprobs[row]),
                "experts": experts,
            }
        )
    return {
        "policy": str(found.request.run.policy),
        "away": found.request.away,
        "read": found.request.read,
        "cells": cells,
        "provenance": json_form.encode(found.provenance),
    }
