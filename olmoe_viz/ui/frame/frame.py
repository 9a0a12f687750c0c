"""The frame that every page has: prompt, ks, weighting, model, link."""

from pathlib import Path

import streamlit as st

from olmoe_viz.models import catalogue
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.ui import glossary, tour
from olmoe_viz.ui.frame.draft_note import draft_note
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.selection import EXAMPLE_PROMPT, Selection, entry
from olmoe_viz.ui.widgets.copy_link import copy_link
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES, plain

_HERE = Path(__file__).parent
EXAMPLES = {
    "Story": EXAMPLE_PROMPT,
    "Python": "def fibonacci(n):\n    if n < 2:\n        return",
    "LaTeX": "Let $x^2 + y^2 = 1$. Then the derivative of $f(x) =",
    "French": "Il était une fois une petite fille qui vivait dans",
}
_WEIGHTS_HELP = "\n\n".join(
    f"{name}: {glossary.term(name)}" for name in ("native weights", "renormalized", "gain-anchored")
)


def draw() -> None:
    """Draw the frame and bring the URL up to date; call before the page's own script."""
    st.html(_HERE / "style.css")
    st.html(_HERE / f"style_{state.theme()}.css")
    st.logo(_HERE / f"logo_{state.theme()}.svg", size="medium")
    chosen = state.selection()
    with st.container(key="frame", gap="small"):
        with st.container(key="draft_place"):
            draft_note(chosen.prompt)
        _prompt(chosen)
        with st.container(
            horizontal=True, key="choices", gap="medium", vertical_alignment="bottom"
        ):
            _sheet(chosen)
            _k_row(chosen, "k", glossary.term("top-k"))
            _k_row(chosen, "against", f"A second k to compare with. {glossary.term('top-k')}")
            _weighting(chosen)
            _model(chosen)
            copy_link(complete=chosen.prompt_fits_link)
    url.mirror(chosen)


def _prompt(chosen: Selection) -> None:
    if "draft" not in st.session_state:
        st.session_state["draft"] = chosen.prompt
    with (
        st.form("ask", border=False, enter_to_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="ask_row"),
    ):
        st.text_area("Prompt", key="draft", height=68, placeholder="Type a text of your own")
        st.form_submit_button("Run", type="primary", on_click=_run)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="try_row"):
        st.caption("Try", width="content")
        for name, prompt in EXAMPLES.items():
            st.button(name, key=f"try_{name}", type="tertiary", on_click=_try, args=(prompt,))
        tour.offer()


def _run() -> None:
    state.submit(st.session_state["draft"])


def _try(prompt: str) -> None:
    st.session_state["draft"] = prompt
    state.submit(prompt)


def _sheet(chosen: Selection) -> None:
    """On a phone the three choices below show only while this is pressed; see style.css."""
    weights = "" if chosen.weighting == "native" else f", {WEIGHTING_NAMES[chosen.weighting]}"
    st.segmented_control(
        "settings",
        ["settings"],
        selection_mode="multi",
        key="sheet",
        format_func=lambda _: (
            f"k {chosen.k} against {chosen.against}{weights} :material/expand_more:"
        ),
        label_visibility="collapsed",
    )


def ks(experts: int) -> list[int]:
    """The ks that are offered: doubled from 1 on, and all experts."""
    return [*(2**power for power in range((experts - 1).bit_length())), experts]


def _k_row(chosen: Selection, field: str, help_text: str) -> None:
    key = f"choice_{field}"
    value = getattr(chosen, field)
    st.session_state[key] = value
    st.segmented_control(
        field,
        sorted({*ks(entry(chosen.model).experts), value}),
        key=key,
        required=True,
        wrap=True,
        help=help_text,
        on_change=state.take,
        args=(field, key),
    )


def _weighting(chosen: Selection) -> None:
    st.session_state["choice_weighting"] = chosen.weighting
    st.segmented_control(
        "weights",
        WEIGHTINGS,
        key="choice_weighting",
        required=True,
        format_func=WEIGHTING_NAMES.__getitem__,
        on_change=state.take,
        args=("weighting", "choice_weighting"),
        help=_WEIGHTS_HELP,
    )


def _model(chosen: Selection) -> None:
    with st.popover(plain(chosen.model.rsplit("/", 1)[-1]), icon=":material/memory:"):
        st.session_state["choice_model"] = chosen.model
        st.selectbox(
            "Model",
            [each.name for each in catalogue.CATALOGUE],
            key="choice_model",
            on_change=state.take,
            args=("model", "choice_model"),
        )
        model = entry(chosen.model)
        st.text(model.description)
        for field, label in (("k", "k, any number"), ("against", "against, any number")):
            key = f"exact_{field}"
            st.session_state[key] = getattr(chosen, field)
            st.number_input(
                label, 1, model.experts, key=key, on_change=state.take, args=(field, key)
            )
        tour.presenter.toggle()
        st.caption(
            f"A prompt may have {model.context:,} tokens with this model. A longer one is refused, "
            "not cut."
        )
