"""Visitors of the running application, each a websocket that says and hears what a browser does.

A visitor opens Compare, presses Generate, and notes when texts arrive. What a browser would draw is
only counted.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

NAME, GENERATE = "compare", "Generate"
PASSAGE = "olmoe_viz_passage"


@dataclass
class Heard:
    """What one press of Generate brought: seconds after it, the texts, and bytes."""

    first: float | None = None  # until the first token
    texts: dict[str, str] = field(default_factory=dict)  # by the label of the column
    written: float | None = None  # until all texts were there
    ended: float = 0.0  # until the script had ended
    received: int = 0
    draws: int = 0  # messages that showed a progress
    said: list[str] = field(default_factory=list)  # errors


class _Counting(ClientConnection):
    """A connection that counts what comes over the wire, compressed or not."""

    wire = 0

    def data_received(self, data: bytes) -> None:
        """Take bytes of the network."""
        self.wire += len(data)
        super().data_received(data)


class Visitor:
    """One session of the page Compare with its own settings."""

    def __init__(self, address: str, query: dict[str, Any]) -> None:
        self._url = address.replace("http", "ws", 1) + "/_stcore/stream"
        self._query = urlencode(query)
        self._cached: dict[str, ForwardMsg] = {}
        self._button = ""
        self._page = self._compare = ""
        self.heard = Heard()

    async def open(self) -> None:
        """Connect, and wait until the page is drawn."""
        connected = await connect(
            self._url,
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
            ping_timeout=None,
            create_connection=_Counting,
        )
        self._socket = cast("_Counting", connected)
        self.heard = Heard()
        await self._rerun()
        await self._listen(time.perf_counter())
        if self._page != self._compare:  # a name alone is not always understood
            self._page = self._compare
            await self._rerun()
            await self._listen(time.perf_counter())

    async def generate(self, columns: int) -> Heard:
        """Press Generate and listen until the page is still."""
        self.heard = Heard()
        began, before = time.perf_counter(), self._socket.wire
        await self._rerun(press=self._button)
        await self._listen(began, columns)
        self.heard.received = self._socket.wire - before
        return self.heard

    async def close(self) -> None:
        """Leave."""
        await self._socket.close()

    def kill(self) -> None:
        """Be gone without a word, as a browser that is killed."""
        self._socket.transport.abort()

    async def _rerun(self, press: str = "") -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_name = self._query, NAME
        state.page_script_hash = self._page
        state.cached_message_hashes.extend(self._cached)
        if press:
            widget = state.widget_states.widgets.add()
            widget.id, widget.trigger_value = press, True
        await self._socket.send(message.SerializeToString())

    async def _listen(self, began: float, columns: int = 0) -> None:
        while True:
            data = await asyncio.wait_for(self._socket.recv(), 600)
            if isinstance(data, str):
                continue
            message = self._whole(ForwardMsg.FromString(data))
            kind = message.WhichOneof("type")
            now = time.perf_counter() - began
            if kind == "delta":
                self._take(message, now, columns)
            elif kind == "navigation":
                pages = message.navigation.app_pages
                (self._compare,) = [p.page_script_hash for p in pages if p.url_pathname == NAME]
            elif kind == "new_session":
                self._page = message.new_session.page_script_hash
            elif kind == "script_finished" and message.script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY,
                ForwardMsg.FINISHED_EARLY_FOR_RERUN,
            ):
                self.heard.ended = now
                if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return

    def _whole(self, message: ForwardMsg) -> ForwardMsg:
        """Return a message, or the one of earlier that it refers to."""
        if message.WhichOneof("type") == "ref_hash":
            return self._cached[message.ref_hash]
        if message.metadata.cacheable:
            self._cached[message.hash] = message
        return message

    def _take(self, message: ForwardMsg, now: float, columns: int) -> None:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "button" and element.button.label == GENERATE:
            self._button = element.button.id
        elif kind == "progress":
            self.heard.draws += 1
            if self.heard.first is None and " of " in element.progress.text:
                self.heard.first = now
        elif kind == "bidi_component" and element.bidi_component.component_name == PASSAGE:
            (data, *_) = json.loads(element.bidi_component.json)
            self.heard.texts[data["label"]] = "".join(token["text"] for token in data["tokens"])
            if self.heard.written is None and len(self.heard.texts) == columns:
                self.heard.written = now
        elif kind in ("exception", "alert"):
            body = element.exception.message if kind == "exception" else element.alert.body
            self.heard.said.append(body)
