"""`olmoe-viz quality`: how well each k predicts a given text."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

import olmoe_viz as ov
from olmoe_viz.analysis.quality import prompt_quality
from olmoe_viz.cli.loading import load
from olmoe_viz.cli.options import Wanted, json_option, model_and_policy, policies
from olmoe_viz.requests import ScoreRequest

if TYPE_CHECKING:
    from olmoe_viz.analysis.quality import PromptQuality


@click.command(
    short_help="Measure how well each k predicts a text.",
    epilog='Try: olmoe-viz quality "Once upon a time there was" --k 8,64',
)
@model_and_policy
@click.option(
    "--k", default="8,16,32,64", show_default=True, help="One k or more, with commas between."
)
@json_option
def quality(
    prompt: str,
    wanted: Wanted,
    k: str,
    threshold: str | None,
    weighting: str,
    as_json: bool,
) -> None:
    """Measure how well each k predicts a text, and how far it is from the trained k.

    A line is one k: the perplexity of the text's tokens but the first, which nothing comes before
    (lower is better), their mean negative log-likelihood in nats, the mean divergence of the
    next-token distribution from that of the trained k in nats, and after how many of the tokens,
    the last one too, both expect the same next token. The text is read as it is, without a chat
    template. One text says little about others.
    """
    from olmoe_viz.engine.engine import asking

    chosen = tuple(policies(wanted.name, k.split(","), threshold, weighting))
    loaded = load(wanted)
    reference = ov.RoutingPolicy(loaded.geometry.trained_k)
    click.echo(
        f"Reading the text with {', '.join(map(str, chosen))}, and with {reference}, the trained "
        "k, to compare.",
        err=True,
    )
    scores = asking(ov.LocalEngine(loaded))(ScoreRequest(loaded.name, prompt, chosen, reference))
    found = prompt_quality(scores)
    if as_json:
        rows = [asdict(each) | {"policy": str(each.policy)} for each in found]
        click.echo(json.dumps({"model": loaded.name, "reference": str(reference), "rows": rows}))
    else:
        click.echo(table(loaded.name, reference, found))


def table(model: str, reference: ov.RoutingPolicy, found: "list[PromptQuality]") -> str:
    """Return one line a policy, below what it was measured on."""
    predicted = found[0].tokens
    read = predicted + 1
    lines = [
        f"{model}, {read} tokens read",
        f"perplexity, nll: of the {predicted} tokens after the first",
        f"divergence, same next token: after each of the {read}, against {reference} as trained",
        "perplexity     nll  divergence  same next token  policy",
    ]
    lines += [
        f"{_number(each.perplexity, 10)}  {_number(each.mean_nll, 6)}  {each.mean_kl:10.4f}  "
        f"{each.agreement:15.1%}  {each.policy}"
        for each in found
    ]
    return "\n".join(lines)


def _number(value: float | None, width: int) -> str:
    return f"{'none':>{width}}" if value is None else f"{value:{width}.{4 - (width > 6)}f}"
