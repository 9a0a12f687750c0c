"""Says, while one types, that the page is still about the prompt of the last run."""

from pathlib import Path

from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets.component import component

_component = component(
    "draft_note",
    Path(__file__).parent,
    "draft_note.js",
    html='<span role="status"></span>',
    css="draft_note.css",
)


def draft_note(prompt: str) -> None:
    """Place the note; `prompt` is the text that the page is about."""
    _component(key="draft_note", data={"prompt": prompt, "words": texts.NOT_RUN})
