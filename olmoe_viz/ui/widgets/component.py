"""A part of the page of our own making, from the files of its folder."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from olmoe_viz.figures import markup

_HERE = Path(__file__).parent
_MOUNT = (_HERE / "component.js").read_text("utf-8")
_MEETING = (_HERE / "shared.js").read_text("utf-8")
_GIVING = (_HERE / "given.js").read_text("utf-8")


@dataclass(frozen=True)
class Code:
    """What a component is made of: the HTML it starts with, its style, and its script.

    The script ends with `export default`, the function that Streamlit calls.
    """

    name: str
    html: str
    css: str
    script: str

    @property
    def known_as(self) -> str:
        """The name by which this very code is shared in the browser."""
        whole = "\0".join((self.html, self.css, self.script))
        return f"{self.name}-{hashlib.blake2b(whole.encode(), digest_size=6).hexdigest()}"


def script(folder: Path, *names: str | Path) -> str:
    """The code of a component: `mount`, which all share, and then its own files."""
    return "\n".join([_MOUNT, *((folder / name).read_text("utf-8") for name in names)])


def code(
    name: str,
    folder: Path,
    *scripts: str | Path,
    html: str = "",
    css: str | Path | Sequence[str | Path] = (),
    constants: Mapping[str, Any] | None = None,
) -> Code:
    """Read the code of a component.

    Args:
        name: unique in the application.
        folder: holds its files, but for those that are given by their whole path.
        scripts: the files of its code, in order; the last has the default function.
        html: what it starts with.
        css: the file of its style, or several.
        constants: name -> what its code knows under it, as JSON: words, sizes.
    """
    sheets = [css] if isinstance(css, str | Path) else css
    style = "\n".join((folder / sheet).read_text("utf-8") for sheet in sheets)
    return Code(
        name, html, style, _short(markup.constants(constants or {}) + script(folder, *scripts))
    )


def component(name: str, folder: Path, *scripts: str | Path, **made_of: Any) -> Callable[..., Any]:
    """Register a component (Streamlit's version 2: no frame, no build step); see `code`.

    Its data travel in a list: of a mapping, Streamlit asks pandas and pyarrow which of its values
    are tables, and importing these takes longer than drawing the first page.
    """
    return _registered(code(name, folder, *scripts, **made_of))


def sharing_component(made_of: Code) -> Callable[..., Any]:
    """Register a component whose elements take their code from the page's `carrier`.

    Streamlit sends a component's whole code with each of its elements and each change of one. This
    is for what stands on a page many times or changes often.
    """
    taken = (
        f"export default async (call) => (await part({json.dumps(made_of.known_as)}).code)(call)"
    )
    return _registered(Code(made_of.name, "", "", _short(f"{_MEETING}\n{taken}")))


def carrier(name: str, shared: Sequence[Code]) -> Callable[..., Any]:
    """Register the component that brings the code of others to a page; nothing is seen of it."""
    given = "\n".join(map(_given, shared))
    return _registered(
        Code(name, "", "", _short(f"{_MEETING}\n{_GIVING}\n{given}\nexport default () => {{}}"))
    )


def _registered(made_of: Code) -> Callable[..., Any]:
    mounted = st.components.v2.component(
        f"olmoe_viz_{made_of.name}",
        html=made_of.html or None,
        css=made_of.css or None,
        js=made_of.script,
    )

    def draw(*, data: Mapping[str, Any], **others: Any) -> Any:
        return mounted(data=[data], **others)

    return draw


def _given(one: Code) -> str:
    known = ", ".join(map(json.dumps, (one.known_as, one.html, one.css)))
    begin = one.script.replace("export default", "return")
    return f"give({known}, (() => {{\n{begin}\n}})())"


def _short(code: str) -> str:
    """Code without indentation and without lines of comment, for it is sent often."""
    lines = (line.strip() for line in code.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
