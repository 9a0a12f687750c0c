"""Points at an element of the page: an outline, and once for each stop a scroll to it."""

from pathlib import Path

from olmoe_viz.ui.widgets.component import component

_component = component(
    "tour_pointer",
    Path(__file__).parent,
    "pointer.js",
    html="<i hidden></i>",
)


def pointer(target: str, *, stop: int, present: bool) -> None:
    """Point at the element with the key `target` as soon as the page has it.

    For who presents it is brought into view again when the window has another size.
    """
    data = {"target": target, "stop": stop, "present": present}
    _component(key="tour_pointer", data=data, height=1)
