"""Files that are opened: uploaded by the visitor, or listed in a folder that the operator names.

A link never opens a file. The setting `runs` is the folder; visitors see the names of the files in
it that end in .safetensors, and choose among them.
"""

import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from olmoe_viz import settings
from olmoe_viz.engine import recorded
from olmoe_viz.records.comparison import Comparison
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.trace import Trace
from olmoe_viz.ui.session import opened
from olmoe_viz.ui.texts import runs as texts
from olmoe_viz.ui.widgets.message import refusal

UPLOAD_LIMIT = 16 * 10**6  # bytes
FOLDER_LIMIT = 256 * 10**6
_MOST_NAMES = 500
_UPLOADS, _REFUSED = "uploads", "refused_file"

_log = logging.getLogger(__name__)


def draw() -> None:
    """The two ways to open a file, with what is wrong with the last one."""
    st.caption(texts.READ_HERE)
    key = f"upload_{st.session_state.get(_UPLOADS, 0)}"
    field(texts.UPLOAD, ["safetensors"], key=key, on_change=_take, args=(key,))
    names = listed()
    if names:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.selectbox(
                texts.FOLDER, names, index=None, placeholder=texts.CHOOSE, key="folder_run"
            )
            st.button(
                texts.OPEN, key="open_run", disabled=chosen is None, on_click=_open, args=(chosen,)
            )
    refused = st.session_state.pop(_REFUSED, None)
    if refused is not None:
        refusal(refused)


def field(
    label: str, kinds: list[str], *, key: str, most: int = UPLOAD_LIMIT, **more: Any
) -> UploadedFile | None:
    """The field of a file of at most so many bytes, as its label says.

    Streamlit counts in whole MB: less is refused by whoever reads the file.
    """
    limit = -(-most // 10**6)
    found: UploadedFile | None = st.file_uploader(
        texts.at_most(label, most), kinds, key=key, max_upload_size=limit, **more
    )
    return found


def listed() -> list[str]:
    """The names of the operator's files; none without a folder."""
    folder = settings.current().runs
    try:
        found = sorted(
            path.name
            for path in Path(folder).iterdir()
            if path.suffix == ".safetensors" and path.is_file()
        )
    except OSError:
        return []
    return found[:_MOST_NAMES] if folder else []


def from_folder(name: str) -> opened.Run:
    """Read a file of the operator's folder; ValueError in a sentence."""
    if name not in listed():
        raise ValueError(texts.gone(name))
    path = Path(settings.current().runs) / name
    try:
        size = path.stat().st_size
        if size > FOLDER_LIMIT:
            raise ValueError(texts.too_large(name, size, FOLDER_LIMIT))
        return _run(path)
    except OSError:
        raise ValueError(texts.gone(name)) from None


def from_upload(name: str, size: int, data: Callable[[], bytes | memoryview]) -> opened.Run:
    """Read what was uploaded under a name, which is foreign text; ValueError in a sentence."""
    if size > UPLOAD_LIMIT:
        raise ValueError(texts.too_large(plain_name(name), size, UPLOAD_LIMIT))
    with on_disk(name, data) as path:
        return _run(path)


@contextmanager
def on_disk(name: str, data: Callable[[], bytes | memoryview]) -> Iterator[Path]:
    """A file of what was uploaded, while the block reads it; ValueError where the disk is full."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / plain_name(name)
            path.write_bytes(data())
            yield path
    except OSError as error:
        _log.error("An uploaded file cannot be laid down: %s", error.strerror)
        raise ValueError(texts.no_room(plain_name(name))) from None


def _run(path: Path) -> opened.Run:
    record = recorded.load(path)
    if not isinstance(record, Trace | Generation | Comparison):
        raise ValueError(texts.no_run(path.name, record.kind.replace("_", " ")))
    return record


def _take(key: str) -> None:
    """Callback: open what was uploaded. The next widget is a new one, so that nothing is held."""
    file = st.session_state[key]
    if file is not None:
        st.session_state[_UPLOADS] = st.session_state.get(_UPLOADS, 0) + 1
        _add(file.name, lambda: from_upload(file.name, file.size, file.getbuffer))


def _open(name: str) -> None:
    """Callback: open a file of the operator's folder."""
    _add(name, lambda: from_folder(name))


def _add(name: str, read: Callable[[], opened.Run]) -> None:
    """Open what is read, or note in a sentence why not; nothing is kept of a bad file."""
    try:
        opened.add(plain_name(name), read())
    except ValueError as error:
        st.session_state[_REFUSED] = str(error)


def plain_name(name: str) -> str:
    """A file name of letters, digits, dots and dashes, made of what somebody calls a file."""
    return re.sub(r"[^\w.-]", "_", PurePath(name).name)[-80:].lstrip(".") or "run"
