"""The options of all commands that run a model."""

from collections.abc import Callable, Sequence

import click

from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.models.sizes import known_sizes
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

Command = Callable[..., None]


class _Weighting(click.Choice[str]):
    """A weighting as the screen spells it; the library's underscore is accepted too."""

    def __init__(self) -> None:
        super().__init__([name.replace("_", "-") for name in WEIGHTINGS])

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        return super().convert(str(value).replace("_", "-"), param, ctx)


def model_and_policy(command: Command) -> Command:
    """Add the prompt, the model, and what a policy has beside its k."""
    for add in (
        click.option(
            "--weighting",
            type=_Weighting(),
            default="native",
            show_default=True,
            help="How the chosen experts are weighted.",
        ),
        click.option(
            "--threshold",
            metavar="P",
            help="Of the k experts keep those with at least this router probability.",
        ),
        click.option(
            "--no-chat-template",
            "plain",
            is_flag=True,
            help="Give a model that was tuned on conversations the bare text.",
        ),
        model_options,
        click.option(
            "--model",
            default=BUNDLED,
            show_default=True,
            help="A model's name, or a folder with a checkpoint.",
        ),
        click.argument("prompt"),
    ):
        command = add(command)
    return command


def model_options(command: Command) -> Command:
    """Add which revision of a model is meant, and the consent to a download."""
    for add in (
        click.option("--yes", is_flag=True, help="Download the model without asking."),
        click.option(
            "--revision",
            help="A commit, branch or tag of it on the hub, as step10000-tokens41B.",
        ),
    ):
        command = add(command)
    return command


def policies(
    model: str, ks: Sequence[str], threshold: str | None, weighting: str
) -> list[RoutingPolicy]:
    """Return the policy of each k; UsageError for one that cannot be, before any model is loaded.

    A model whose sizes are not known yet checks its policies itself.
    """
    parts = [*([] if threshold is None else [f"p>={threshold}"]), f"w={weighting}"]
    try:
        found = [RoutingPolicy.parse(",".join([f"k={k}", *parts])) for k in ks]
        if (sizes := known_sizes(model)) is not None:
            for policy in found:
                policy.ks(*sizes)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return found
