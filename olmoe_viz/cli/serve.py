"""`olmoe-viz serve`: the engine of this machine for other programs and machines."""

import click

from olmoe_viz import settings


@click.command(
    short_help="Answer requests over HTTP.",
    epilog="Try: olmoe-viz serve --port 8600",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8600, show_default=True, help="0 is any."
)
def serve(host: str, port: int) -> None:
    """Answer requests over HTTP: for `ov.connect`, and for pages on other machines.

    An address that others can reach needs a token, in OLMOE_VIZ_TOKEN, which callers show.
    docs/protocol.md says what is answered, docs/hosting.md what can be set. Ctrl+C ends it.
    """
    from olmoe_viz.engine.serving.listening import server

    running, listening = server(settings.current(), host, port)
    where, number = listening.getsockname()[:2]
    click.echo(f"Listening on http://{where}:{number}", err=True)
    running.run(sockets=[listening])
