"""`olmoe-viz compare`: one prompt continued under several ks, printed while it is written."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

import olmoe_viz as ov
from olmoe_viz import json_form
from olmoe_viz.cli.loading import load
from olmoe_viz.cli.options import (
    Wanted,
    chat_template,
    intervening,
    json_option,
    model_and_policy,
    policies,
    sampling,
    saving,
)
from olmoe_viz.interventions import LostMass
from olmoe_viz.records.generation import Step
from olmoe_viz.records.routed import experts_used
from olmoe_viz.records.tokens import display_token


@click.command(
    short_help="Continue a prompt once for each k.",
    epilog='Try: olmoe-viz compare "Once upon a time" --k 8,64 --tokens 20',
)
@model_and_policy
@click.option(
    "--k", default="8,16,32,64", show_default=True, help="One k or more, with commas between."
)
@intervening
@click.option("--tokens", default=80, show_default=True, help="Most tokens of each text.")
@sampling
@saving
@chat_template
@json_option
def compare(
    prompt: str,
    wanted: Wanted,
    plain: bool,
    k: str,
    threshold: str | None,
    weighting: str,
    interventions: tuple[str, ...],
    lost_mass: LostMass,
    tokens: int,
    temperature: float,
    top_p: float,
    seed: int,
    save: Path | None,
    half_logits: bool,
    as_json: bool,
) -> None:
    """Continue a prompt once for each k, and count the parameters that each k uses.

    With --intervention each k has two texts, the second with all interventions. All texts are
    written at the same time and printed one below the other, or with --json when all are complete.
    --save keeps them all in one file, for show, diff and report.
    """
    chosen = policies(wanted.name, k.split(","), threshold, weighting)
    if interventions:
        changed = policies(
            wanted.name, k.split(","), threshold, weighting, lost_mass, interventions
        )
        chosen = [policy for both in zip(chosen, changed, strict=True) for policy in both]
    loaded, template = load(wanted), False if plain else None
    with ov.stream(
        loaded, prompt, chosen, tokens, temperature, top_p, seed, chat_template=template
    ) as generating:
        for part in as_written(chosen, generating):
            if not as_json:
                click.echo(part, nl=False)
    generations = generating.generations()
    if generating.error is not None:
        raise ov.GenerationError(generating.error, generations)
    click.echo(json.dumps(list(map(facts, generations))) if as_json else summary(generations))
    if save is not None:
        ov.Comparison(generations).save(save, half_logits=half_logits)


def as_written(chosen: Sequence[ov.RoutingPolicy], steps: Iterable[Step]) -> Iterator[str]:
    """Yield what to print: the first text as it is written, each other one when those above end."""
    waiting, shown = [""] * len(chosen), 0
    yield f"{chosen[0]}\n"
    for step in steps:
        for row, part in enumerate(step.rows):
            waiting[row] += part.text
        while shown < len(chosen):
            yield printable(waiting[shown])
            waiting[shown] = ""
            if step.rows[shown].finish is None:
                break
            shown += 1
            yield f"\n\n{chosen[shown]}\n" if shown < len(chosen) else "\n\n"


def summary(generations: Sequence[ov.Generation]) -> str:
    """Say what each text used, and the one speed of all: they were written together."""
    written = sum(len(run.tokens) for run in generations)
    seconds, speed = generations[0].seconds, sum(run.tokens_per_second for run in generations)
    lines = [f"{run.policy}: {_active(run) / 1e6:,.1f} M active parameters" for run in generations]
    lines.append(f"{written} tokens in {seconds:.2f} s, {speed:.1f} tokens/s in all; one run")
    return "\n".join(lines)


def facts(run: ov.Generation) -> dict[str, Any]:
    """Return what JSON says of one text."""
    return {
        "model": run.request.model,
        "policy": str(run.policy),
        "prompt": run.prompt,
        "text": run.text,
        "tokens": list(run.tokens),
        "token_ids": run.token_ids.tolist(),
        "logprobs": run.logprobs.tolist(),
        "finish": run.finish,
        "active_parameters": _active(run),
        "seconds": run.seconds,
        "provenance": json_form.encode(run.provenance),
    }


def _active(run: ov.Generation) -> int:
    # Of prompt and text together: with a threshold their numbers of experts differ by token.
    ran = np.concatenate([run.prompt_expert_ids, run.expert_ids], axis=1)
    return ov.costs.active_parameters(run.geometry, experts_used(ran).tolist())


def printable(text: str) -> str:
    """Return text without characters that steer a terminal, which a model may write."""
    return "\n".join(display_token(line.encode()) for line in text.split("\n"))
