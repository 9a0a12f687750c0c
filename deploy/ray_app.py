"""The server of docs/protocol.md as replicas of Ray Serve: `serve run deploy/ray.yaml`.

Each replica has the whole engine in it, with its scheduler, and streams to the proxy itself.
Callers need no replica of their own: a stream that breaks is begun again on any of them.
"""

from ray import serve
from starlette.applications import Starlette

from olmoe_viz import settings
from olmoe_viz.engine.serving.app import application
from olmoe_viz.models.catalogue import BUNDLED


def build() -> Starlette:
    """Return the application of one replica; called in the replica's process."""
    from olmoe_viz.engine.local import from_settings

    chosen = settings.current()
    return application(from_settings(chosen), chosen, BUNDLED)


@serve.deployment(name="engine")
@serve.ingress(build)
class Replica:
    """One engine; what it answers is the application's."""


app = Replica.bind()
