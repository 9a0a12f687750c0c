"""A button that copies the address of the view; the address mirrors the selection."""

from pathlib import Path

from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets.component import component

_component = component(
    "copy_link",
    Path(__file__).parent,
    "copy_link.js",
    html=f'<button type="button">{texts.COPY_LINK}</button><span role="status"></span>',
    css="copy_link.css",
    constants={"WORDS": texts.COPYING},
)


def copy_link(*, complete: bool) -> None:
    """Place the button; `complete` is False when the prompt is too long for a link."""
    _component(key="copy_link", data={"complete": complete}, width="content")
