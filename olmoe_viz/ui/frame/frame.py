"""The frame around every page: prompt, ks, weighting, model, link, each where it has an effect."""

from dataclasses import asdict
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from olmoe_viz import settings
from olmoe_viz.figures.palette import INKS, Theme
from olmoe_viz.models.offered import offered
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.ui import tour
from olmoe_viz.ui.frame.chosen_option import chosen_option
from olmoe_viz.ui.frame.draft_note import draft_note
from olmoe_viz.ui.frame.skip_link import skip_link
from olmoe_viz.ui.map import first_visit
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.selection import EXAMPLE_PROMPT, Selection, entry
from olmoe_viz.ui.texts import frame as texts
from olmoe_viz.ui.widgets import shared_code
from olmoe_viz.ui.widgets.copy_link import copy_link
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES, plain

_HERE = Path(__file__).parent
_MAP = ""  # its address, as that of the first page
EXAMPLES = {
    "Story": EXAMPLE_PROMPT,
    "Python": "def fibonacci(n):\n    if n < 2:\n        return",
    "LaTeX": "Let $x^2 + y^2 = 1$. Then the derivative of $f(x) =",
    "French": "Il était une fois une petite fille qui vivait dans",
}


def draw(page: StreamlitPage) -> None:
    """Draw the frame of a page and bring the URL up to date; call before the page's own script."""
    st.html(f"<style>:root {{ {inks(state.theme())} }}</style>")
    for sheet in ("style", "streamlit"):
        st.html(_HERE / f"{sheet}.css")
    shared_code.place()
    st.logo(_HERE / f"logo_{state.theme()}.svg", size="medium")
    chosen = state.selection()
    with st.container(key="frame", gap="small"):
        if page.url_path in texts.ASK_A_PROMPT:
            _controls(chosen, page.url_path)
        else:
            with st.container(
                horizontal=True,
                horizontal_alignment="right",
                vertical_alignment="center",
                key="link_row",
            ):
                tour.presenter.toggle()
                copy_link(complete=chosen.prompt_fits_link)
    url.mirror(chosen)


def inks(theme: Theme) -> str:
    """The inks that the stylesheets name, as the properties `--ink: #1c2024; --muted: ...`."""
    return " ".join(f"--{name}: {color};" for name, color in asdict(INKS[theme]).items())


def _controls(chosen: Selection, address: str) -> None:
    """What a page that runs a prompt is asked for."""
    with st.container(key="draft_place"):
        draft_note(chosen.prompt)
        chosen_option()
        if address == _MAP:
            skip_link()
    _prompt()
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="try_row"):
        _examples()
        st.space("stretch")
        copy_link(complete=chosen.prompt_fits_link)
    if address == _MAP and first_visit.shown():
        return  # nothing else stands above the map
    with st.container(horizontal=True, key="choices", gap="small", vertical_alignment="bottom"):
        compares = address in texts.AGAINST_HELP
        _sheet(chosen, compares=compares)
        _k_row(chosen, "k", texts.K, texts.K_HELP)
        if compares:
            _k_row(chosen, "against", texts.AGAINST, texts.AGAINST_HELP[address])
        _weighting(chosen)
        _model(chosen, compares=compares)
    if entry(chosen.model).chat:
        _chat_template(chosen)


def _prompt() -> None:
    if "draft" not in st.session_state:
        st.session_state["draft"] = state.selection().prompt
    with (
        st.form("ask", border=False, enter_to_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="ask_row"),
    ):
        st.text_area(texts.PROMPT, key="draft", height=68, placeholder=texts.PLACEHOLDER)
        st.form_submit_button(texts.RUN, type="primary", on_click=_run)


def _examples() -> None:
    st.caption(texts.TRY, width="content")
    for name, prompt in EXAMPLES.items():
        st.button(name, key=f"try_{name}", type="tertiary", on_click=_try, args=(prompt,))
    tour.offer()


def _run() -> None:
    state.submit(st.session_state["draft"])


def _try(prompt: str) -> None:
    st.session_state["draft"] = prompt
    state.submit(prompt)


def _sheet(chosen: Selection, *, compares: bool) -> None:
    """On a phone the choices below show only while this is pressed; see streamlit.css."""
    words = texts.settings(chosen.k, chosen.against if compares else None, chosen.weighting)
    st.segmented_control(
        "settings",
        ["settings"],
        selection_mode="multi",
        key="sheet",
        format_func=lambda _: f"{words} :material/expand_more:",
        label_visibility="collapsed",
    )


def ks(experts: int) -> list[int]:
    """The ks that are offered: doubled from 1 on, and all experts."""
    return [*(2**power for power in range((experts - 1).bit_length())), experts]


def _k_row(chosen: Selection, field: str, label: str, help_text: str) -> None:
    key = f"choice_{field}"
    value = getattr(chosen, field)
    st.session_state[key] = value
    st.segmented_control(
        label,
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
        texts.WEIGHTS,
        WEIGHTINGS,
        key="choice_weighting",
        required=True,
        format_func=WEIGHTING_NAMES.__getitem__,
        on_change=state.take,
        args=("weighting", "choice_weighting"),
        help=texts.WEIGHTS_HELP,
    )


def _model(chosen: Selection, *, compares: bool) -> None:
    model, titles = entry(chosen.model), {each.name: each.title for each in offered()}
    with (
        st.container(key="model_place", width="content"),
        st.popover(plain(model.title.rsplit("/", 1)[-1]), icon=":material/memory:"),
    ):
        st.session_state["choice_model"] = chosen.model
        st.selectbox(
            texts.MODEL,
            list(titles),
            key="choice_model",
            format_func=titles.__getitem__,
            on_change=state.take,
            args=("model", "choice_model"),
        )
        st.text(model.description)
        if model.revision is not None:
            st.text(texts.revision(model.revision))
        exact = {"k": texts.EXACT_K, "against": texts.EXACT_AGAINST}
        for field, label in list(exact.items())[: 1 + compares]:
            key = f"exact_{field}"
            st.session_state[key] = getattr(chosen, field)
            st.number_input(
                label, 1, model.experts, key=key, on_change=state.take, args=(field, key)
            )
        tour.presenter.toggle()
        st.caption(texts.longest_prompt(min(model.context, settings.current().prompt_tokens)))


def _chat_template(chosen: Selection) -> None:
    """Whether the prompt is put into the chat template, for a model that was tuned with one."""
    st.session_state["choice_chat"] = chosen.chat_template
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="chat_row"):
        st.toggle(
            texts.CHAT_TEMPLATE,
            key="choice_chat",
            width="content",
            on_change=state.take,
            args=("chat_template", "choice_chat"),
        )
        st.caption(texts.CHAT_TEMPLATE_SAYS[chosen.chat_template], width="content")
