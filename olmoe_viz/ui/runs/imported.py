"""Routes that other tools wrote, on the page Runs: which experts they name, as far as that goes."""

from collections.abc import Callable

import streamlit as st

from olmoe_viz.exchange.about import About
from olmoe_viz.exchange.routes import VALUES, Routes
from olmoe_viz.figures import expert_load, routing_map
from olmoe_viz.numerics import routing
from olmoe_viz.records.expert_uses import ExpertUses, recorded_uses
from olmoe_viz.ui.runs import opening
from olmoe_viz.ui.session import state
from olmoe_viz.ui.session.selection import entry
from olmoe_viz.ui.texts import runs as texts
from olmoe_viz.ui.widgets import origin, panel
from olmoe_viz.ui.widgets.color_key import color_key
from olmoe_viz.ui.widgets.figure import plot
from olmoe_viz.ui.widgets.message import refusal

DRAWN = 512  # tokens in the map
_READ = "routes_read"


def draw() -> None:
    """The field for a file, and the map and the load of what was read from it."""
    badge = panel.head(texts.ROUTES_TITLE, None)
    st.caption(texts.ROUTES)
    file = opening.field(texts.ROUTES_FILE, ["csv", "parquet", "json"], key="routes")
    if file is None:
        st.session_state.pop(_READ, None)
        return
    kept = st.session_state.get(_READ)
    if kept is None or kept[0] != file.file_id:
        kept = st.session_state[_READ] = file.file_id, _read_or_sentence(file.name, file.getbuffer)
    if isinstance(kept[1], str):
        refusal(kept[1])
        return
    routes, about = kept[1]
    with badge:
        if about is None:
            origin.badge("quoted", file.name)
        else:
            origin.badge("recorded", origin.details(about.provenance, about.policy))
    _draw(routes, about)


def read(
    name: str, data: Callable[[], bytes | memoryview], layers: int, k: int
) -> tuple[Routes, About | None]:
    """Read what was uploaded under a name, which is foreign text; ValueError in a sentence.

    Beside the routes stands what our own export says of their run. `layers` and `k` give ids
    without a shape their own, as `exchange.serving` says.
    """
    from olmoe_viz.exchange import long_form, serving  # bring pyarrow

    with opening.on_disk(name, data) as path:
        if path.suffix == ".json":
            return serving.read(path, layers, k), None
        return long_form.read(path), long_form.read_about(path)


def _read_or_sentence(
    name: str, data: Callable[[], bytes | memoryview]
) -> tuple[Routes, About | None] | str:
    model = entry(state.selection().model)
    try:
        return read(name, data, model.layers, model.trained_k)
    except ValueError as error:
        return str(error)


def _draw(routes: Routes, about: About | None) -> None:
    known = {name: values for name in VALUES if (values := getattr(routes, name)) is not None}
    experts, tokens = int(routes.expert_ids.max()) + 1, min(routes.tokens, DRAWN)
    uses = _uses(routes, about)
    named = about is not None and len(about.tokens) == routes.tokens
    sizes = routes.tokens, len(routes.layer_ids), routes.expert_ids.shape[-1]
    st.text(texts.routes(*sizes, list(known), drawn=tokens))
    plot(
        routing_map.figure(
            routes.expert_ids[:, :tokens],
            tokens=about.tokens[:tokens] if about and named else list(map(str, range(tokens))),
            layer_ids=routes.layer_ids,
            known={name: values[:, :tokens, 0] for name, values in known.items()},
            uses=uses,
            theme=state.theme(),
        ),
        key="routes_map",
    )
    first = routes.expert_ids[:, :tokens, 0]
    pairs = zip(routes.layer_ids, first, strict=True)
    color_key([(at, int(id_)) for at, ids in pairs for id_ in ids[ids >= 0]], uses, state.theme())
    st.caption(texts.ROUTES_LOAD)
    plot(
        expert_load.figure(
            routing.load(routes.expert_ids, experts),
            tokens=routes.tokens,
            layer_ids=routes.layer_ids,
            theme=state.theme(),
        ),
        key="routes_load",
    )


def _uses(routes: Routes, about: About | None) -> ExpertUses | None:
    """What the experts are used for, where a file names weights of which that is recorded.

    None for a file that names weights which do not have all of its experts.
    """
    uses = recorded_uses(about.provenance.digest) if about is not None else None
    if uses is None:
        return None
    blocks, experts = uses.preferred.shape
    fits = routes.layer_ids[-1] < blocks and int(routes.expert_ids.max()) < experts
    return uses if fits else None
