"""The options that several commands have, and what they become."""

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from olmoe_viz.interventions import LOST_MASS, Intervention, LostMass
from olmoe_viz.models.catalogue import BUNDLED
from olmoe_viz.models.sizes import known_sizes
from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy

if TYPE_CHECKING:
    from olmoe_viz.records.comparison import Comparison
    from olmoe_viz.records.record import Record

Command = Callable[..., None]
DTYPES = ("float32", "bfloat16", "float16")
_FILE = "olmoe_viz.prompt_file"


@dataclass(frozen=True)
class Wanted:
    """Which model a command shall load, where and how, and whether it may download it."""

    name: str
    revision: str | None
    device: str | None
    dtype: str | None
    agreed: bool


class _Weighting(click.Choice[str]):
    """A weighting as the screen spells it; the library's underscore is accepted too."""

    def __init__(self) -> None:
        super().__init__([name.replace("_", "-") for name in WEIGHTINGS])

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        return super().convert(str(value).replace("_", "-"), param, ctx)


class RecordFile(click.ParamType["Record | Comparison"]):
    """A file with a record, read when the command starts; one that is none is a wrong argument."""

    name = "record"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Record | Comparison":
        """Return the record in a file; the error of the argument when there is none."""
        from olmoe_viz.engine.recorded import load  # every kind of record: not for --help

        try:
            return load(Path(str(value)))
        except FileNotFoundError:
            self.fail(
                f"There is no file {value!s}. trace and compare write one with --save.", param, ctx
            )
        except (ValueError, OSError) as error:
            self.fail(str(error), param, ctx)


class RunFile(RecordFile):
    """A file with a run; of a comparison, FILE#1 is the second text."""

    name = "run"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Record | Comparison":
        """Return the record of a run, which of a comparison is one of its generations."""
        path, _, row = str(value).rpartition("#")
        if not path or not row.isdecimal() or Path(str(value)).exists():
            return super().convert(value, param, ctx)
        texts = getattr(super().convert(path, param, ctx), "generations", ())
        if int(row) >= len(texts):
            self.fail(f"{path} has {len(texts)} texts to choose from, counted from 0.", param, ctx)
        found: Record = texts[int(row)]
        return found


def model_and_policy(command: Command) -> Command:
    """Add the prompt, the model, and what a policy has beside its k."""
    for add in (
        weighing,
        wanted_model,
        click.option(
            "--model",
            default=BUNDLED,
            show_default=True,
            help="A model's name, or a folder with a checkpoint.",
        ),
        prompt_argument,
    ):
        command = add(command)
    return command


def weighing(command: Command) -> Command:
    """Add what a policy has beside its k."""
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
    ):
        command = add(command)
    return command


_lost_mass = click.option(
    "--lost-mass",
    type=click.Choice(LOST_MASS),
    default="drop",
    show_default=True,
    help="What becomes of the weight of an expert that is taken away.",
)


def intervening(command: Command) -> Command:
    """Add what is done to experts by hand, in the text form of links."""
    for add in (
        _lost_mass,
        click.option(
            "--intervention",
            "interventions",
            metavar="WHAT:LAYER.EXPERT",
            multiple=True,
            help="Do something to experts; may be repeated. WHAT is off, route_around, force, add, "
            "keep_only, bias or swap. off:7.20 switches expert 20 of layer 7 off, keep_only:*.0-31 "
            "leaves every layer the first 32, bias:7.1_5~1.5 adds 1.5 to two router logits, "
            "swap:7.20~33 runs 33 in place of 20. With @prompt, @generated or @3_8 at the end it "
            "is done to these tokens only.",
        ),
    ):
        command = add(command)
    return command


def measuring(command: Command) -> Command:
    """Add how experts are taken away, and where that is measured."""
    for add in (
        click.option("--seed", default=0, show_default=True, help="Of what is drawn."),
        click.option(
            "--read",
            type=click.Choice(["own", "last"]),
            default="own",
            show_default=True,
            help="Read the prediction at the expert's own token, or at the text's last.",
        ),
        _lost_mass,
        click.option(
            "--away",
            type=click.Choice(["off", "route_around"]),
            default="off",
            show_default=True,
            help="Switch the expert off, or let the next one enter.",
        ),
    ):
        command = add(command)
    return command


def chat_template(command: Command) -> Command:
    """Add the option that a text is read bare."""
    return click.option(
        "--no-chat-template",
        "plain",
        is_flag=True,
        help="Give a model that was tuned on conversations the bare text.",
    )(command)


def sampling(command: Command) -> Command:
    """Add how the next token is chosen."""
    for add in (
        click.option(
            "--seed", default=0, show_default=True, help="Of the sampling; the same for all k."
        ),
        click.option(
            "--top-p",
            default=1.0,
            show_default=True,
            help="Sample from the likeliest tokens that have this probability together.",
        ),
        click.option(
            "--temperature", default=0.0, show_default=True, help="0 takes the likeliest token."
        ),
    ):
        command = add(command)
    return command


def prompt_argument(command: Command) -> Command:
    """Add the prompt: an argument, `-` for standard input, or --file for a file's text."""
    argument = click.argument("prompt", required=False, callback=_prompt)
    option = click.option(
        "--file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_remember_file,
        help="Read the prompt from this file; PROMPT - reads standard input.",
    )
    return argument(option(command))


def _remember_file(context: click.Context, _: click.Parameter, value: object) -> None:
    context.meta[_FILE] = value


def _prompt(context: click.Context, _: click.Parameter, value: str | None) -> str:
    """Return the prompt; of a file or standard input without the line end that closes it."""
    file: Path | None = context.meta[_FILE]
    if (value is None) == (file is None):
        raise click.UsageError("Give a PROMPT, - to read it from standard input, or --file.")
    if value is not None and value != "-":
        return value
    data = sys.stdin.buffer.read() if file is None else file.read_bytes()
    return data.decode("utf-8").removesuffix("\n").removesuffix("\r")


def wanted_model(command: Command) -> Command:
    """Add which revision of a model is meant, where it runs, and the consent to a download.

    The command gets these, and the name in `model`, as one `Wanted`.
    """

    @functools.wraps(command)
    def run(
        *arguments: object,
        model: str,
        revision: str | None,
        device: str | None,
        dtype: str | None,
        yes: bool,
        **others: object,
    ) -> None:
        command(*arguments, wanted=Wanted(model, revision, device, dtype, yes), **others)

    for add in (
        click.option("--yes", is_flag=True, help="Download the model without asking."),
        click.option(
            "--dtype",
            type=click.Choice(DTYPES),
            help="Type of the weights; chosen by size and device if left out.",
        ),
        click.option(
            "--device", help="cpu, cuda or cuda:1; the GPU with most free memory if left out."
        ),
        click.option(
            "--revision",
            help="A commit, branch or tag of it on the hub, as step10000-tokens41B.",
        ),
    ):
        run = add(run)
    return run


def saving(command: Command) -> Command:
    """Add the file that the records are also written to, and how precise its router logits are."""
    for add in (
        click.option(
            "--half-logits",
            is_flag=True,
            help="Round the router logits in the file to float16: it is little over half as large.",
        ),
        click.option(
            "--save",
            type=click.Path(path_type=Path),
            callback=_writable,
            help="Also write all that was recorded to this file.",
        ),
    ):
        command = add(command)
    return command


def _writable(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """Refuse a file that cannot be, before anything is computed for it."""
    if value is not None and not value.absolute().parent.is_dir():
        raise click.BadParameter(f"There is no folder {value.parent}.")
    return value


def json_option(command: Command) -> Command:
    """Add the option that the result is printed as JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")(
        command
    )


def policies(
    model: str,
    ks: Sequence[str],
    threshold: str | None,
    weighting: str,
    lost_mass: LostMass = "drop",
    interventions: Sequence[str] = (),
) -> list[RoutingPolicy]:
    """Return the policy of each k; UsageError for one that cannot be, before any model is loaded.

    Each of `interventions` is one, or several with commas between, as in a link. A model whose
    sizes are not known yet checks its policies itself.
    """
    parts = [*([] if threshold is None else [f"p>={threshold}"]), f"w={weighting}"]
    parts.append(f"mass={lost_mass}")
    try:
        acting = tuple(Intervention.parse(one) for each in interventions for one in each.split(","))
        found = [
            replace(RoutingPolicy.parse(",".join([f"k={k}", *parts])), interventions=acting)
            for k in ks
        ]
        if (sizes := known_sizes(model)) is not None:
            for policy in found:
                policy.ks(*sizes)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return found
