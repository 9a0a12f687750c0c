"""The command `olmoe-viz`: the application, and the library from a shell.

Each command is a function in a module of its own, listed here.
"""

import os

import click

from olmoe_viz.cli.ablate import ablate
from olmoe_viz.cli.app import app
from olmoe_viz.cli.check import check
from olmoe_viz.cli.compare import compare
from olmoe_viz.cli.diff import diff
from olmoe_viz.cli.effects import effects
from olmoe_viz.cli.export import export
from olmoe_viz.cli.import_ import import_
from olmoe_viz.cli.inspect import inspect
from olmoe_viz.cli.models import models
from olmoe_viz.cli.quality import quality
from olmoe_viz.cli.report import report
from olmoe_viz.cli.serve import serve
from olmoe_viz.cli.show import show
from olmoe_viz.cli.trace import trace
from olmoe_viz.errors import EngineError, ModelError


class _Commands(click.Group):
    """Commands whose expected errors are one sentence on stderr and the exit code 1."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except BrokenPipeError:  # click ends quietly when nobody reads on
            raise
        except (ModelError, EngineError, ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error


@click.group(
    cls=_Commands,
    commands=[
        app,
        serve,
        trace,
        compare,
        inspect,
        effects,
        ablate,
        quality,
        check,
        show,
        diff,
        report,
        export,
        import_,
        models,
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog='Try: olmoe-viz trace "Once upon a time" --k 16',
)
def main() -> None:
    """See which experts OLMoE sends each token to, and what changes with their number.

    Start with `olmoe-viz app`. The model olmoe-nano comes with the package, so nothing is
    downloaded unless another model is named.
    """
    # A thread that waits for its neighbor sleeps instead of spinning, which keeps decoding from
    # becoming 20 times slower on a busy machine. OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
