"""The code of what stands on a page many times or changes with each click, brought there once.

The browser keeps this one message for the session. Thirteen figures below a comparison would else
bring their code thirteen times, 30 kB each.
"""

from olmoe_viz.ui.widgets import by_hand, figure, overview, passage, picker, routing_map
from olmoe_viz.ui.widgets.component import carrier

_carrier = carrier(
    "shared_code",
    (by_hand.CODE, figure.CODE, overview.CODE, passage.CODE, picker.CODE, routing_map.CODE),
)


def place() -> None:
    """Place the code, before any part of the page that needs it; nothing is seen of it."""
    _carrier(key="shared_code", data={})
