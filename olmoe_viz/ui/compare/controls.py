"""What the comparison is asked for: its columns and its sampling, behind two quiet buttons."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from olmoe_viz.policy import WEIGHTINGS, RoutingPolicy
from olmoe_viz.ui.compare.comparison import (
    FEWEST,
    MOST,
    MOST_TOKENS,
    Column,
    Comparison,
    Settings,
    distinct_names,
    fit,
    further_policy,
    reference,
    single_k,
    usual_policies,
)
from olmoe_viz.ui.session import state, url
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.widgets.wording import WEIGHTING_NAMES, count, listed


def policies() -> tuple[RoutingPolicy, ...]:
    """The columns: those chosen here, if the model has them, else what follows from the frame."""
    named, chosen = url.current(Settings).policies, state.selection()
    if named and fit(named, _experts()):
        return named
    return usual_policies(chosen.k, chosen.against, chosen.weighting, _experts())


def _experts() -> int:
    return entry(state.selection().model).experts


def draw(shown: Sequence[Column], trained_k: int) -> int:
    """Draw the controls; return which column the others are compared with.

    `shown` are the columns on the page.
    """
    columns = policies()
    with st.popover(f"Columns: k = {listed(list(map(single_k, columns)))}"):
        _columns(columns)
    settings = url.current(Settings)
    drawn = f"temperature {settings.temperature:g}" if settings.temperature else "greedy"
    with st.popover(f"{count(settings.new_tokens, 'token')}, {drawn}"):
        _sampling(settings)
    _reference(shown, trained_k)
    return reference(shown, settings.reference, trained_k)


def mirror(kept: Comparison | None) -> None:
    """Bring the URL up to date; it begins to write by itself where it names the texts of `kept`."""
    named = kept is not None and _named(kept)
    url.mirror(replace(url.current(Settings), generate=named))


def _named(kept: Comparison) -> bool:
    """Whether the link says all that these texts, written or being written, came from."""
    chosen, settings = state.selection(), url.current(Settings)
    begun = kept.written > 0 or not kept.ended.is_set()
    return (
        begun
        and chosen.prompt_fits_link
        and (kept.model, kept.prompt) == (chosen.model, chosen.prompt)
        and tuple(column.policy for column in kept.columns) == policies()
        and kept.settings.sampling == settings.sampling
    )


def _reference(shown: Sequence[Column], trained_k: int) -> None:
    st.session_state["compare_with"] = reference(shown, url.current(Settings).reference, trained_k)
    st.selectbox(
        "compare with",
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
                f"k of column {at + 1}",
                1,
                _experts(),
                key=f"column_k_{at}",
                on_change=_take_columns,
                args=(len(columns),),
                width=140,
            )
            st.selectbox(
                f"weights of column {at + 1}",
                WEIGHTINGS,
                key=f"column_weighting_{at}",
                format_func=WEIGHTING_NAMES.__getitem__,
                on_change=_take_columns,
                args=(len(columns),),
                width=190,
            )
    with st.container(horizontal=True, gap="small"):
        full, few = len(columns) >= MOST, len(columns) <= FEWEST
        st.button("Add a column", on_click=_add, args=(columns,), disabled=full)
        st.button("Remove the last", on_click=_set, args=(columns[:-1],), disabled=few)
        st.button(
            "As in the frame",
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
    _number("tokens to generate", "new_tokens", settings, 1, MOST_TOKENS, 10)
    _number("temperature (0 takes the likeliest token)", "temperature", settings, 0.0, 2.0, 0.1)
    _number("top-p (the share of probability drawn from)", "top_p", settings, 0.05, 1.0, 0.05)
    _number("seed", "seed", settings, 0, 2**31 - 1, 1)


def _number(label: str, name: str, settings: Settings, low: Any, high: Any, step: Any) -> None:
    key = f"sampling_{name}"
    st.session_state[key] = getattr(settings, name)
    st.number_input(
        label, low, high, step=step, key=key, on_change=url.take, args=(Settings, name, key)
    )
