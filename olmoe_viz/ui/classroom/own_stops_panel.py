"""Where a teacher opens a file of stops and plays it."""

from pathlib import Path

import streamlit as st

from olmoe_viz.ui import tour
from olmoe_viz.ui.runs import opening
from olmoe_viz.ui.session import state
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.texts import own_stops as texts
from olmoe_viz.ui.tour.own_stops import (
    LARGEST_FILE,
    LONGEST_LINK,
    MOST_STOPS,
    OwnStops,
    OwnStopsError,
    from_file,
)
from olmoe_viz.ui.widgets import message

_FILES, _READ = "own_stops_files", "own_stops_read"


def draw(sample: Path) -> None:
    """The field of the file, and what is in it or wrong with it; `sample` can be saved."""
    st.subheader(texts.TITLE, anchor=False)
    st.markdown(texts.WHAT_THIS_IS.format(stops=MOST_STOPS, kilobytes=LARGEST_FILE // 1000))
    with st.container(key="own_stops", gap="small"):
        st.download_button(
            texts.SAMPLE, sample.read_bytes(), sample.name, "application/yaml", on_click="ignore"
        )
        key, kinds = f"own_stops_{st.session_state.get(_FILES, 0)}", ["yaml", "yml", "json"]
        opening.field(texts.FILE, kinds, key=key, most=LARGEST_FILE, on_change=_take, args=(key,))
        _read(st.session_state.get(_READ))


def _read(found: OwnStops | tuple[str, ...] | None) -> None:
    if isinstance(found, tuple):
        for problem in found:
            message.refusal(problem)
    elif found is not None:
        titles = [f"{number}. {stop.title}" for number, stop in enumerate(found.stops, 1)]
        st.text("\n".join([texts.several(len(titles)), *titles]))
        st.button(
            texts.PLAY, key="play_own_stops", type="primary", on_click=tour.begin, args=(found,)
        )
        no_link = texts.NO_LINK.format(characters=f"{LONGEST_LINK:,}")
        st.caption(no_link if found.link is None else texts.AS_LINK)


def _take(key: str) -> None:
    """Callback: read what was uploaded. The next field is a new one, so that nothing is held."""
    file = st.session_state[key]
    if file is not None:
        st.session_state[_FILES] = st.session_state.get(_FILES, 0) + 1
        # No more is taken into memory than a file may have, and a byte that shows that it has more.
        data = file.read(LARGEST_FILE + 1)
        is_json = file.name.lower().endswith(".json")
        try:
            read = from_file(data, is_json=is_json, model=entry(state.selection().model))
        except OwnStopsError as error:
            st.session_state[_READ] = error.problems
        else:
            st.session_state[_READ] = read
