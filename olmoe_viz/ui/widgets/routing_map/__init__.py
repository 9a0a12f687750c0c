"""The routing map: tokens across, layers down, every cell answers to the hand.

Two components make one map. The *feed* carries the drawn data and is sent only when the data
change; the *map* carries the selection, draws and reports what the hand does. They meet in the
browser under the map's key. The drawing is a canvas; token text reaches the page only through
`fillText` and `textContent`.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import numpy as np
import streamlit as st

from olmoe_viz.figures.interactive_map import words
from olmoe_viz.figures.interactive_map.alone import SCRIPTS, START, STYLE
from olmoe_viz.figures.interactive_map.cells import Columns, TraceLike
from olmoe_viz.figures.interactive_map.effects import CellEffects
from olmoe_viz.figures.interactive_map.payload import VIEWS, View, build, painted
from olmoe_viz.figures.palette import Theme
from olmoe_viz.policy import RoutingPolicy
from olmoe_viz.records.expert_uses import ExpertUses
from olmoe_viz.ui.widgets.component import code, component, script, sharing_component

__all__ = ["VIEWS", "Columns", "GrowingMap", "MapEvent", "TraceLike", "View", "routing_map"]

_HERE = Path(__file__).parent
_digests: WeakKeyDictionary[TraceLike, bytes] = WeakKeyDictionary()
_feed = component("routing_feed", _HERE, "feed.js")
CODE = code(
    "routing_map",
    _HERE,
    *SCRIPTS,
    "mount.js",
    html=START,
    css=STYLE,
    constants={"WORDS": words.SCRIPT},
)
_map = sharing_component(CODE)


@dataclass(frozen=True)
class MapEvent:
    """What a person picked: a cell or a range of cells.

    A cell has `token`, from 0, and `layer`, which counts all blocks of the model from 0. A range
    has its far corner in `last_token` and `last_layer` too, both inclusive, `token <= last_token`
    and `layer <= last_layer`. Escape turns a range into its first cell; there is always a cell.
    """

    token: int
    layer: int
    last_token: int | None = None
    last_layer: int | None = None


def routing_map(
    columns: TraceLike,
    *,
    policy: RoutingPolicy,
    view: View = "strongest",
    against: RoutingPolicy | None = None,
    other: TraceLike | None = None,
    expert: tuple[int, int] | None = None,
    effects: CellEffects | None = None,
    uses: ExpertUses | None = None,
    token_bytes: Sequence[bytes] | None = None,
    message: tuple[int, int] | None = None,
    selected_token: int | None = None,
    selected_layer: int | None = None,
    last_token: int | None = None,
    last_layer: int | None = None,
    theme: Theme,
    key: str,
    on_change: Callable[[MapEvent], None] | None = None,
    ranges: bool = True,
    grown: bool = False,
) -> MapEvent | None:
    """Draw the routing map of a trace; return what was picked in it since the last run, or None.

    Args:
        columns: a Trace, or `Columns`. At most 4,096 tokens of 16 layers fit.
        policy: the one that the columns ran under.
        view: one of `VIEWS`.
        against: a second policy; the card shows what it would keep of the same probabilities, and
            the further experts that it would choose.
        other: for the view "drift", the same tokens recorded under another policy.
        expert: for the view "follow", layer and id of the expert whose probability is drawn.
        effects: for the view "effect", what was measured of the same tokens.
        uses: what the model's experts are used for, which their colors say then.
        token_bytes: the exact bytes of each token; the card then says which bytes a token has and
            which characters they are, where that is not plain.
        message: in a chat, the first token of the message and the one after its last; the others
            are marked as the template's.
        selected_token: the app's selected token. The map draws the selection it is given, and
            brings a new one into view.
        selected_layer: the app's selected layer, counted over all blocks.
        last_token: far corner of the selected range, inclusive; pass back what the event had.
        last_layer: far corner of the selected range, inclusive.
        theme: which set of expert colors.
        key: one per map in the app. The browser keeps scroll position and hover under it.
        on_change: called with the event before the script runs again, so that what stands above
            the map follows too.
        ranges: whether ranges can be picked too, or only single cells.
        grown: keep the sizes of the `GrowingMap` that stood here before, so that nothing moves.

    Raises ValueError, a sentence for people, where the arguments do not fit together.
    """
    data = _data(
        columns,
        policy=policy,
        view=view,
        against=against,
        other=other if view == "drift" else None,
        expert=expert if view == "follow" else None,
        effects=effects if view == "effect" else None,
        uses=uses,
        token_bytes=token_bytes,
        message=message,
        theme=theme,
        key=key,
    )
    selection = {
        "token": selected_token,
        "layer": selected_layer,
        "lastToken": last_token,
        "lastLayer": last_layer,
    }
    with st.container(gap=None):
        _feed(data=data, key=f"{key}-feed")
        return _mount(
            key, columns.geometry.layer_ids, selection, on_change, ranges=ranges, grown=grown
        )


class GrowingMap:
    """A map that grows while text is generated, within one run of the script.

    Construct it once where the map shall stand, then call `show` with all columns so far, as often
    as they grow. It marks the newest column and keeps it in view. It shows its card but reports no
    picks, because a rerun would stop the generation, until `show` is told that the text has
    `ended`. The next run may draw `routing_map` under the same key, with `grown`.
    """

    def __init__(
        self,
        *,
        layer_ids: Sequence[int],
        key: str,
        on_change: Callable[[MapEvent], None] | None = None,
        ranges: bool = True,
    ) -> None:
        # The browser may still hold the end of an earlier text: each growth has its own name.
        self._growth = uuid4().hex
        with st.container(gap=None):
            self._slot = st.empty()
            _mount(key, layer_ids, {}, on_change, ranges=ranges, grown=True, live=self._growth)
        self._key = key
        self._shown = 0

    def show(
        self,
        columns: TraceLike,
        *,
        policy: RoutingPolicy,
        theme: Theme,
        view: View = "strongest",
        against: RoutingPolicy | None = None,
        uses: ExpertUses | None = None,
        ended: bool = False,
    ) -> None:
        """Draw the columns so far. Arguments and errors as in `routing_map`."""
        payload = build(columns, policy=policy, view=view, against=against, uses=uses)
        data = painted(payload, theme, self._key, uses)
        if ended:
            data |= {"ended": self._growth, "version": f"{data['version']}-ended"}
        with self._slot:
            _feed(data=data, key=f"{self._key}-feed-{self._shown}")
        self._shown += 1


def _mount(
    key: str,
    layer_ids: Sequence[int],
    selection: dict[str, int | None],
    on_change: Callable[[MapEvent], None] | None,
    *,
    ranges: bool,
    grown: bool,
    live: str | None = None,
) -> MapEvent | None:
    def picked() -> None:
        event = _event(st.session_state[key].get("pick"))
        if event is not None and on_change is not None:
            on_change(event)

    result = _map(
        key=key,
        data={
            "channel": key,
            "layerIds": list(layer_ids),
            "live": live,
            "ranges": ranges,
            "grown": grown,
            "selection": selection,
        },
        on_pick_change=picked,
    )
    return _event(result.get("pick"))


def _event(value: Any) -> MapEvent | None:
    """Read what the browser sent; anything but cells in order is no event."""
    if not isinstance(value, dict):
        return None
    corners = [value.get(name) for name in ("token", "layer", "lastToken", "lastLayer")]
    if any(c is not None and (type(c) is not int or c < 0) for c in corners):
        return None
    token, layer, last_token, last_layer = corners
    if token is None or layer is None or (last_token is None) != (last_layer is None):
        return None
    if (
        last_token is not None
        and last_layer is not None
        and (last_token < token or last_layer < layer)
    ):
        return None
    return MapEvent(token, layer, last_token, last_layer)


def _data(columns: TraceLike, *, theme: Theme, key: str, **settings: Any) -> dict[str, Any]:
    """The feed's data, from the session's memory while nothing that is drawn has changed."""
    other: TraceLike | None = settings["other"]
    read = (_digest(columns), other and _digest(other), b"\0".join(settings["token_bytes"] or ()))
    uses: ExpertUses | None = settings["uses"]
    effects: CellEffects | None = settings["effects"]
    apart = ("other", "token_bytes", "uses", "effects")
    drawn = {n: str(value) for n, value in settings.items() if n not in apart}
    fingerprint = (*read, theme, uses is not None, effects and effects.digest, *drawn.values())
    memory = f"_{key}_drawn"
    if st.session_state.get(memory, (None,))[0] != fingerprint:
        data = painted(build(columns, **settings), theme, key, uses)
        st.session_state[memory] = (fingerprint, data)
    kept: dict[str, Any] = st.session_state[memory][1]
    return kept


def _digest(columns: TraceLike) -> bytes:
    """A digest of what is drawn of them, computed once: megabytes, and each click asks for it."""
    found = _digests.get(columns)
    if found is None:
        words = repr((columns.geometry.layer_ids, "\0".join(columns.tokens)))
        digest = hashlib.blake2b(words.encode(), digest_size=16)
        for array in (columns.router_logits, columns.expert_ids, columns.weights):
            digest.update(np.ascontiguousarray(array).data)
        found = _digests[columns] = digest.digest()
    return found


def sent_bytes(data: dict[str, Any]) -> int:
    """Bytes that a change of the data sends: the data as JSON and the feed's code."""
    return len(json.dumps(data)) + len(script(_HERE, "feed.js"))
