"""`olmoe-viz app`: the application on this machine."""

import runpy
import sys
from pathlib import Path

import click

PACKAGE = Path(__file__).parents[1]


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the server.")
@click.option(
    "--browser/--no-browser", default=True, help="Open a browser, or only print the address."
)
def app(port: int | None, browser: bool) -> None:
    """Open the application in a browser.

    Without --port it is Streamlit's usual 8501, or the next one that is free. Ctrl+C ends it.
    """
    options = [] if port is None else [f"--server.port={port}"]
    options += [] if browser else ["--server.headless=true"]
    sys.argv = ["streamlit", "run", str(script()), *options]
    # In this process, so that whoever ends the command ends the server.
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)


def script() -> Path:
    """Return the application's script: inside the installed package, or beside it in a checkout."""
    installed = PACKAGE / "application" / "app.py"
    return installed if installed.is_file() else PACKAGE.parent / "app.py"
