"""A part of the page of our own making, from the files of its folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from olmoe_viz.figures import markup

_MOUNT = (Path(__file__).parent / "component.js").read_text("utf-8")


def script(folder: Path, *names: str | Path) -> str:
    """The code of a component: `mount`, which all share, and then its own files."""
    return "\n".join([_MOUNT, *((folder / name).read_text("utf-8") for name in names)])


def component(
    name: str,
    folder: Path,
    *scripts: str | Path,
    html: str | None = None,
    css: str | Path | Sequence[str | Path] = (),
    constants: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """Register a component (Streamlit's version 2: no frame, no build step).

    Its data travel in a list: of a mapping, Streamlit asks pandas and pyarrow which of its values
    are tables, and importing these takes longer than drawing the first page.

    Args:
        name: unique in the application.
        folder: holds its files, but for those that are given by their whole path.
        scripts: the files of its code, in order; the last has the default function.
        html: what it starts with.
        css: the file of its style, or several.
        constants: name -> what its code knows under it, as JSON: words, sizes.
    """
    sheets = [css] if isinstance(css, str | Path) else css
    mounted = st.components.v2.component(
        f"olmoe_viz_{name}",
        html=html,
        css="\n".join((folder / sheet).read_text("utf-8") for sheet in sheets) or None,
        js=_short(markup.constants(constants or {}) + script(folder, *scripts)),
    )

    def draw(*, data: Mapping[str, Any], **others: Any) -> Any:
        return mounted(data=[data], **others)

    return draw


def _short(code: str) -> str:
    """Code without indentation and without lines of comment: it is sent with each of its parts."""
    lines = (line.strip() for line in code.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
