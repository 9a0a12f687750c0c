"""The application as a visitor's session, without a browser."""

import json
from pathlib import Path
from urllib.parse import parse_qsl

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]


def app(query: str = "", name: str = "map") -> AppTest:
    """A page after its first run at an address."""
    test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for key, value in parse_qsl(query):
        test.query_params[key] = value
    return page(test, name)


def page(test: AppTest, name: str) -> AppTest:
    """The same session on another page."""
    return checked(test.switch_page(f"pages/{name}.py").run())


def checked(test: AppTest) -> AppTest:
    """The session, if nothing went wrong in it."""
    assert [error.message for error in test.exception] == []
    return test


def drawn(test: AppTest) -> dict[str, str]:
    """The data of the page's own figures, as JSON, by their keys; of a pair both."""
    parts = {
        part.proto.id.rsplit("-", 1)[-1]: json.loads(part.proto.json)[0]
        for part in test.get("bidi_component")
    }
    parts |= {data["curve"]["name"]: data["curve"] for data in parts.values() if data.get("curve")}
    return {key: json.dumps(data) for key, data in parts.items() if "figure" in data}
