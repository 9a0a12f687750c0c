"""A part of the page of our own making, from the files of its folder."""

import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

_MOUNT = (Path(__file__).parent / "component.js").read_text("utf-8")


def script(folder: Path, *names: str) -> str:
    """The code of a component: `mount`, which all share, and then its own files."""
    return "\n".join([_MOUNT, *((folder / name).read_text("utf-8") for name in names)])


def document(path: Path, words: Mapping[str, str]) -> str:
    """A file of HTML in which each name in braces stands for its words; they are text."""
    return path.read_text("utf-8").format_map({name: escape(said) for name, said in words.items()})


def component(
    name: str,
    folder: Path,
    *scripts: str,
    html: str | None = None,
    css: str = "",
    constants: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """Register a component (Streamlit's version 2: no frame, no build step).

    Its data travel in a list: of a mapping, Streamlit asks pandas and pyarrow which of its values
    are tables, and importing these takes longer than drawing the first page.

    Args:
        name: unique in the application.
        folder: holds its files.
        scripts: the files of its code, in order; the last has the default function.
        html: what it starts with.
        css: the file of its style.
        constants: name -> what its code knows under it, as JSON: words, sizes.
    """
    known = "".join(
        f"const {name} = {json.dumps(value)}\n" for name, value in (constants or {}).items()
    )
    mounted = st.components.v2.component(
        f"olmoe_viz_{name}",
        html=html,
        css=(folder / css).read_text("utf-8") if css else None,
        js=known + script(folder, *scripts),
    )

    def draw(*, data: Mapping[str, Any], **others: Any) -> Any:
        return mounted(data=[data], **others)

    return draw
