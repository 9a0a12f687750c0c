"""The first stop of the Tab key on a page with a map: a link that leads past all controls to it."""

from pathlib import Path

from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets.component import component

_component = component("skip_link", Path(__file__).parent, "skip_link.js")


def skip_link() -> None:
    """Put the link before everything else of the page; it is seen while it has the focus."""
    _component(key="skip_link", data={"words": texts.SKIP_TO_MAP})
