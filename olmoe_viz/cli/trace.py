"""`olmoe-viz trace`: one pass over a text, printed and saved."""

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import olmoe_viz as ov
from olmoe_viz import json_form
from olmoe_viz.cli.loading import load, reading
from olmoe_viz.cli.options import (
    Wanted,
    chat_template,
    intervening,
    json_option,
    model_and_policy,
    policies,
    saving,
)
from olmoe_viz.interventions import LostMass
from olmoe_viz.requests import TraceRequest

if TYPE_CHECKING:
    from olmoe_viz.engine.prompt import OnProgress

NEXT_TOKENS_SHOWN = 5


@click.command(
    short_help="Show the experts of every token of a text.",
    epilog='Try: olmoe-viz trace "Once upon a time" --k 16 --save run.safetensors',
)
@model_and_policy
@click.option(
    "--k", default="8", show_default=True, help="Experts of each token; a k a layer as 8-8-16-…"
)
@intervening
@click.option(
    "--full",
    is_flag=True,
    help="Record the hidden states too, which --save then writes; how much that is, is said first.",
)
@saving
@chat_template
@json_option
def trace(
    prompt: str,
    wanted: Wanted,
    plain: bool,
    k: str,
    threshold: str | None,
    weighting: str,
    interventions: tuple[str, ...],
    lost_mass: LostMass,
    full: bool,
    save: Path | None,
    half_logits: bool,
    as_json: bool,
) -> None:
    """Show the experts of every token of a text, and what the model expects next.

    A line is one token: its id, the share of router probability that its experts keep (mean of all
    layers), and its strongest expert in each layer. A token of the chat template, which goes around
    the text of a model that was tuned on conversations, has a | before it. An expert that is off
    was chosen, but weighs 0.
    """
    (policy,) = policies(wanted.name, [k], threshold, weighting, lost_mass, interventions)
    loaded, template = load(wanted), False if plain else None
    request = TraceRequest(loaded.name, prompt, policy, "full" if full else "routing")
    progress = _saying_size(request, loaded.geometry, half=half_logits) if full else reading
    recorded = ov.trace(loaded, prompt, policy, request.detail, progress, template)
    click.echo(json.dumps(facts(recorded)) if as_json else table(recorded))
    if save is not None:
        recorded.save(save, half_logits=half_logits)


def _saying_size(request: TraceRequest, geometry: ov.Geometry, *, half: bool) -> "OnProgress":
    """Return what says before a run begins how much it records, and then how far it is."""

    def progress(done: int, total: int) -> None:
        if not done:
            size = ov.Trace.file_bytes(request, geometry, total, half_logits=half)
            click.echo(f"Recording {total:,} tokens in full: {size / 1e6:,.1f} MB.", err=True)
        reading(done, total)

    return progress


def facts(trace: ov.Trace) -> dict[str, Any]:
    """Return what JSON says of a trace: what ran, without the router logits."""
    probabilities = ov.routing.probabilities(trace.router_logits)
    return {
        "model": trace.request.model,
        "policy": str(trace.policy),
        "text": trace.text,
        "tokens": list(trace.tokens),
        "token_ids": trace.token_ids.tolist(),
        "layers": list(trace.geometry.layer_ids),
        "expert_ids": trace.expert_ids.tolist(),
        "weights": trace.weights.tolist(),
        "mass": ov.routing.mass(probabilities, trace.expert_ids).tolist(),
        "next_tokens": list(trace.next_tokens),
        "next_ids": trace.next_ids.tolist(),
        "next_probabilities": trace.next_probabilities().tolist(),
        "provenance": json_form.encode(trace.provenance),
    }


def table(trace: ov.Trace) -> str:
    """Return one line a token, and what is likely to follow."""
    probabilities = ov.routing.probabilities(trace.router_logits)
    masses = ov.routing.mass(probabilities, trace.expert_ids).mean(axis=0)
    strongest = trace.expert_ids[..., 0].T
    message = range(*(trace.message or (0, len(trace.tokens))))
    first_layers = ", ".join(map(str, trace.geometry.layer_ids[:2]))
    lines = [
        f"{trace.provenance.model}, {trace.policy}",
        f"    id  mass  strongest expert of layers {first_layers}, ...",
    ]
    lines += [
        f"{token_id:6}  {mass:.2f}  {' '.join(f'{expert:2}' for expert in experts)} "
        f"{' ' if place in message else '|'}{token}"
        for place, (token_id, mass, experts, token) in enumerate(
            zip(trace.token_ids, masses, strongest, trace.tokens, strict=True)
        )
    ]
    lines.append("next token:")
    likely = zip(trace.next_ids, trace.next_probabilities(), trace.next_tokens, strict=True)
    lines += [
        f"{token_id:6}  {probability:.3f}  {token}"
        for token_id, probability, token in islice(likely, NEXT_TOKENS_SHOWN)
    ]
    return "\n".join(lines)
