"""Where a number is from: a small word in a quiet outline, the details on hover or focus."""

from typing import Literal

import streamlit as st

from olmoe_viz.records.provenance import Provenance
from olmoe_viz.ui.widgets.wording import plain

Origin = Literal["live", "recorded", "derived", "quoted"]
MEANING: dict[Origin, str] = {
    "live": "Computed by the model on this server, for this visit or one before.",
    "recorded": "Computed earlier and stored with the application.",
    "derived": "Calculated by a formula from the model's sizes.",
    "quoted": "Measured or said by others, not computed by this project.",
}


def badge(origin: Origin, details: str = "") -> None:
    """Show the origin; `details` is foreign text and is shown as typed."""
    help_text = MEANING[origin] + (f" {plain(details)}" if details else "")
    st.badge(origin, color="gray", help=help_text)


def details(provenance: Provenance, policy: str) -> str:
    """One line on a record: model, revision, routing, number format, device, time, seconds."""
    revision = f" at {provenance.revision[:12]}" if provenance.revision else ""
    time = provenance.created[:16].replace("T", " ")
    return (
        f"{provenance.model}{revision} ({provenance.digest[:12]}), {policy}, {provenance.dtype} on "
        f"{provenance.device}, {time} UTC, {provenance.seconds:.2f} s."
    )
