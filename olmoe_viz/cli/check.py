"""`olmoe-viz check`: is this the model that it is taken for?"""

import json
from typing import TYPE_CHECKING

import click

import olmoe_viz as ov
from olmoe_viz import json_form
from olmoe_viz.cli.loading import load
from olmoe_viz.cli.options import Wanted, json_option, wanted_model
from olmoe_viz.models.catalogue import BUNDLED

if TYPE_CHECKING:
    from olmoe_viz.records.checks import Check, CheckReport


@click.command(
    short_help="Compare a model with known answers.",
    epilog="Try: olmoe-viz check olmoe-nano",
)
@click.argument("model", default=BUNDLED)
@wanted_model
@click.option(
    "--as",
    "known_as",
    metavar="NAME",
    help="Compare with what is known of this model, as for a folder.",
)
@json_option
@click.pass_context
def check(context: click.Context, wanted: Wanted, known_as: str | None, as_json: bool) -> None:
    """Compare a model with answers that are known of it, and with transformers.

    MODEL is a model's name, or a folder with a checkpoint. Of OLMoE-1B-7B-0924 token ids, logits
    and two continuations are known, of the bundled model its continuations; every model is compared
    with what transformers gives on the same weights. The exit code is 1 if something fails, or
    nothing could be checked.
    """
    loaded = load(wanted)
    report = ov.check(loaded, lambda what: click.echo(f"Checking {what}.", err=True), known_as)
    if as_json:
        click.echo(json.dumps(json_form.encode(report) | {"passed": report.passed}, indent=1))
    else:
        click.echo(table(report))
    context.exit(0 if report.passed else 1)


def table(report: "CheckReport") -> str:
    """Return one line a check with its figures below, and what all of it says."""
    origin = report.provenance
    at = f" at {origin.revision}" if origin.revision else f" ({origin.digest})"
    lines = [f"{origin.model}{at}, {origin.dtype} on {origin.device}, {origin.runner}"]
    for each in report.checks:
        lines += [f"{each.outcome:11}  {each.what}", *_details(each)]
    count = dict.fromkeys(("passed", "failed", "not checked"), 0)
    for each in report.checks:
        count[each.outcome] += 1
    lines.append(", ".join(f"{number} {name}" for name, number in count.items()))
    return "\n".join(lines)


def _details(each: "Check") -> list[str]:
    """Return the reason, the source and the figures."""
    lines = [each.reason, each.source and f"known from: {each.source}"]
    for figure in each.figures:
        limit = "" if figure.limit is None else f" (at most {figure.limit:.3g})"
        lines.append(f"{figure.name}: {figure.value:.3g}{limit}")
    return [f"{'':13}{line}" for line in lines if line]
