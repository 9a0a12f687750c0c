"""Lets the Tab key land on the chosen option of a segmented control instead of on the first.

So it is usual for radio buttons (https://www.w3.org/WAI/ARIA/apg/patterns/radio/); Streamlit's
control has no option for it.
"""

from pathlib import Path

from olmoe_viz.ui.widgets.component import component

_component = component("chosen_option", Path(__file__).parent, "chosen_option.js")


def chosen_option() -> None:
    """Put the rule in force for all controls of the page."""
    _component(key="chosen_option", data={})
