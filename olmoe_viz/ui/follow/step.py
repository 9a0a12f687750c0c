"""The shape that all steps share: number, name, origin, one sentence, figures, formula, code."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from olmoe_viz.ui import glossary
from olmoe_viz.ui.texts.follow import CODE
from olmoe_viz.ui.texts.follow_steps import StepWords
from olmoe_viz.ui.widgets import origin


@contextmanager
def step(
    words: StepWords, shape: str, source: tuple[origin.Origin, str] | None, where: str
) -> Iterator[None]:
    """Draw the head; then what the `with` block draws; then formula, shape of the array and code.

    Args:
        words: of the step.
        shape: name, shape, dtype of what this step makes, as in "probabilities [64] float64".
        source: the origin of the numbers and its details, None while there are none.
        where: in which layer the step is.
    """
    with st.container(key=f"step_{words.number}"):
        with st.container(
            horizontal=True,
            vertical_alignment="center",
            gap="small",
            key=f"step_head_{words.number}",
        ):
            title = f":gray[{words.number}] {words.name}"
            st.subheader(title, width="content", anchor=False)
            if source is not None:
                origin.badge(*source)
            st.caption(where, width="content")
        st.markdown(words.sentence)
        yield
        formula = " ".join(rf"$\displaystyle {part}$" for part in words.formula)
        terms = ", ".join(glossary.link(term) for term in words.terms)
        st.markdown(f"{formula}\n\n{shape}. In the glossary: {terms}.")
        with st.expander(CODE, type="compact"):
            st.code(words.code, language="python", wrap_lines=True)


def so_line(sentence: str, number: int) -> None:
    """What the numbers of a step come to."""
    if sentence:
        with st.container(key=f"so_{number}"):
            st.text(sentence)


def way(sentence: str, number: int) -> None:
    """Before a step: how the token gets from the last step to this one."""
    with st.container(key=f"way_{number}"):
        st.text(sentence)
