"""Opening and reading the page Compare k on the bundled model, without a browser."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from olmoe_viz.engine.engine import Ticket
from olmoe_viz.requests import GenerateRequest, Request
from olmoe_viz.ui.session import answers
from tests.ui.visitor import app, checked

COLUMNS = "columns=k%3D8~k%3D64,w%3Drenormalized"


def generated(query: str) -> AppTest:
    test = app(query, "compare")
    return checked(next(b for b in test.button if b.label == "Generate").click().run())


def tables(test: AppTest) -> list[dict[str, list[str]]]:
    return [table.value.to_dict("list") for table in test.table]


def shown_texts(test: AppTest) -> list[str]:
    """The finished texts, as their component is given them."""
    parts = [part.proto for part in test.get("bidi_component")]
    found = [
        json.loads(part.json)[0] for part in parts if part.component_name == "olmoe_viz_passage"
    ]
    return ["".join(token["text"] for token in data["tokens"]) for data in found]


def heads(test: AppTest) -> list[str]:
    return [head.value for head in test.subheader]


def files(test: AppTest) -> list[str]:
    """The files of what was measured; that of the texts themselves is there before."""
    labels = [button.proto.label for button in test.get("download_button")]
    return [label for label in labels if not label.startswith("Save ")]


def badges(test: AppTest) -> list[str]:
    """What the badges of numbers from this server say on hover."""
    return [part.proto.help for part in test.markdown if part.value == ":gray-badge[live]"]


def submitted(monkeypatch: pytest.MonkeyPatch) -> list[Ticket]:
    """Watch the requests for texts."""
    tickets: list[Ticket] = []
    submit = answers.submit

    def watch(request: Request) -> Ticket:
        ticket = submit(request)
        if isinstance(request, GenerateRequest):
            tickets.append(ticket)
        return ticket

    monkeypatch.setattr(answers, "submit", watch)
    return tickets
