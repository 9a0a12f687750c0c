"""The controls of the comparison: its columns and its sampling, in two popovers; the reference."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.ui.compare import limits
from olmoe_viz.ui.compare.column_policies import (
    FEWEST,
    doubled_ks,
    fit,
    frame_policies,
    further_policy,
    single_k,
)
from olmoe_viz.ui.compare.comparison import Column, Comparison, distinct_names, reference
from olmoe_viz.ui.compare.settings import Settings
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.texts import compare as texts
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES


def policies() -> tuple[RoutingPolicy, ...]:
    """The columns: those chosen here, if the model has them, else those of the frame."""
    named, chosen = _named_columns(), state.selection()
    if named:
        return named[: limits.columns()]
    trained_k = entry(chosen.model).trained_k
    ks = (chosen.k, chosen.against)
    return frame_policies(*ks, chosen.weighting, trained_k, _experts(), limits.columns())


def rule() -> str:
    """Where the columns are from, and what this server allows less of, in a sentence each."""
    return " ".join(filter(None, (_origin_of_columns(), limits.sentence())))


def asked() -> Settings:
    """What the controls ask for."""
    return limits.held(url.current(Settings))


def _origin_of_columns() -> str:
    if _named_columns():
        return texts.CHOSEN_COLUMNS
    chosen = state.selection()
    doubled = doubled_ks(entry(chosen.model).trained_k, _experts())
    return texts.frame_columns(chosen.k, chosen.against, doubled)


def _named_columns() -> tuple[RoutingPolicy, ...]:
    named = url.current(Settings).policies
    return named if fit(named, _experts()) else ()


def _experts() -> int:
    return entry(state.selection().model).experts


def draw(shown: Sequence[Column], trained_k: int) -> int:
    """Draw the controls; return which column the others are compared with.

    `shown` are the columns on the page.
    """
    columns = policies()
    with st.popover(texts.columns_button(list(map(single_k, columns)))):
        _columns(columns)
    settings = asked()
    with st.popover(texts.sampling_button(settings.new_tokens, settings.temperature)):
        _sampling(settings)
    _reference(shown, trained_k)
    return reference(shown, settings.reference, trained_k)


def mirror(kept: Comparison | None) -> None:
    """Update the URL; it asks for texts where it names everything that `kept` was made from."""
    named = kept is not None and _named(kept)
    url.mirror(replace(url.current(Settings), generate=named))


def _named(kept: Comparison) -> bool:
    """Whether the link names all settings of these texts, complete or being written."""
    chosen, settings = state.selection(), asked()
    begun = kept.written > 0 or not kept.ended.is_set()
    return (
        begun
        and chosen.prompt_fits_link
        and (kept.model, kept.prompt) == (chosen.model, chosen.text)
        and tuple(column.policy for column in kept.columns) == policies()
        and kept.settings.sampling == settings.sampling
    )


def _reference(shown: Sequence[Column], trained_k: int) -> None:
    st.session_state["compare_with"] = reference(shown, url.current(Settings).reference, trained_k)
    st.selectbox(
        texts.COMPARE_WITH,
        range(len(shown)),
        format_func=distinct_names(shown).__getitem__,
        key="compare_with",
        on_change=url.take,
        args=(Settings, "reference", "compare_with"),
        width=230,
    )


def _columns(columns: tuple[RoutingPolicy, ...]) -> None:
    for at, policy in enumerate(columns):
        st.session_state[f"column_k_{at}"] = policy.k
        st.session_state[f"column_weighting_{at}"] = policy.weighting
        with st.container(horizontal=True, gap="small"):
            st.number_input(
                texts.k_of(at + 1),
                1,
                _experts(),
                key=f"column_k_{at}",
                on_change=_take_columns,
                args=(len(columns),),
                width=140,
            )
            st.selectbox(
                texts.weights_of(at + 1),
                WEIGHTINGS,
                key=f"column_weighting_{at}",
                format_func=WEIGHTING_NAMES.__getitem__,
                on_change=_take_columns,
                args=(len(columns),),
                width=190,
            )
    with st.container(horizontal=True, gap="small"):
        full, few = len(columns) >= limits.columns(), len(columns) <= FEWEST
        st.button(texts.ADD_COLUMN, on_click=_add, args=(columns,), disabled=full)
        st.button(texts.REMOVE_COLUMN, on_click=_set, args=(columns[:-1],), disabled=few)
        st.button(
            texts.FRAME_COLUMNS,
            on_click=_set,
            args=((),),
            disabled=not url.current(Settings).policies,
        )


def _add(columns: tuple[RoutingPolicy, ...]) -> None:
    _set((*columns, further_policy(columns, state.selection().weighting, _experts())))


def _take_columns(number: int) -> None:
    _set(
        tuple(
            RoutingPolicy(
                st.session_state[f"column_k_{at}"], st.session_state[f"column_weighting_{at}"]
            )
            for at in range(number)
        )
    )


def _set(columns: tuple[RoutingPolicy, ...]) -> None:
    url.keep(replace(url.current(Settings), policies=columns, reference=None, pair=None))


def _sampling(settings: Settings) -> None:
    # Two by two: one below the other they would end below a window of 900 px.
    for left, right in (
        (
            (texts.TOKENS, "new_tokens", 1, limits.tokens(), 10),
            (texts.SEED, "seed", 0, 2**31 - 1, 1),
        ),
        (
            (texts.TEMPERATURE, "temperature", 0.0, 2.0, 0.1),
            (texts.TOP_P, "top_p", 0.05, 1.0, 0.05),
        ),
    ):
        with st.container(horizontal=True, gap="small"):
            _number(settings, *left)
            _number(settings, *right)


def _number(settings: Settings, label: str, name: str, low: Any, high: Any, step: Any) -> None:
    key = f"sampling_{name}"
    st.session_state[key] = getattr(settings, name)
    st.number_input(
        label, low, high, step=step, key=key, on_change=url.take, args=(Settings, name, key)
    )
