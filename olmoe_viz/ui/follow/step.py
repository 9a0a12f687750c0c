"""The shape that all steps share: number, name, origin, one sentence, figures, shape, formula."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import streamlit as st

from olmoe_viz.ui import glossary
from olmoe_viz.ui.follow.story import Story
from olmoe_viz.ui.session import engine
from olmoe_viz.ui.session.errors import guard
from olmoe_viz.ui.widgets import origin


@dataclass(frozen=True)
class Step:
    """The words of one step; all of it is our own constant text.

    `formula` is LaTeX in parts that may stand below each other, `code` the lines that a reader
    could type, `terms` the words of the glossary that the step stands on; `vectors` says that
    without a run the step shows no number.
    """

    number: int
    name: str
    sentence: str
    formula: tuple[str, ...]
    code: str
    terms: tuple[str, ...]
    vectors: bool = False

    @contextmanager
    def place(self, story: Story, shape: str) -> Iterator[None]:
        """Draw the head; then what the block draws; then formula, shape of the array and code.

        A block whose numbers the engine cannot give ends with a sentence, and the rest of the page
        is drawn.

        Args:
            story: for the origin of the numbers.
            shape: name, shape, dtype of what this step makes, as in "probabilities [64] float64".
        """
        with st.container(key=f"step_{self.number}"):
            with st.container(
                horizontal=True,
                vertical_alignment="center",
                gap="small",
                key=f"step_head_{self.number}",
            ):
                title = f":gray[{self.number}] {self.name}"
                st.subheader(title, width="content", anchor=False)
                if story.full or not self.vectors:
                    origin.badge(*story.origin)
            st.markdown(self.sentence)
            with guard():
                yield
            formula = " ".join(rf"$\displaystyle {part}$" for part in self.formula)
            words = ", ".join(glossary.link(term) for term in self.terms)
            st.markdown(f"{formula}\n\n{shape}. In the glossary: {words}.")
            with st.expander("The line of code", type="compact"):
                st.code(self.code, language="python", wrap_lines=True)


def needs_vectors(story: Story, why: str = "This step computes them live.") -> bool:
    """Whether the step must wait for a run, and says so."""
    if not story.full:
        if engine.records_only():
            why = "No model runs here that could compute them."
        st.caption(f"The stored example has no vectors. {why}")
    return not story.full
