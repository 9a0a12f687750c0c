"""Connections that break: a request is begun again, and its reader goes on where they were."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import pytest

import olmoe_viz as ov
from olmoe_viz import Intervention, LocalEngine, RoutingPolicy, errors
from olmoe_viz.engine import remote as remote_module
from olmoe_viz.engine.engine import Progress, Ticket
from olmoe_viz.engine.remote import RemoteEngine
from olmoe_viz.engine.serving import stream, wire
from olmoe_viz.models.model import Model
from olmoe_viz.requests import EffectsRequest, GenerateRequest, ModelRequest, TraceRequest
from tests.engine.serving.conftest import SOON


class Cutting:
    """Stands before a server, and cuts the first `times` connections after `after` bytes."""

    def __init__(self, address: str, after: int, times: int) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._server, self._after, self._times = (host, int(port)), after, times
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                reader, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            limit = self._after if self.connections <= self._times else None
            threading.Thread(target=self._pass, args=(reader, limit), daemon=True).start()

    def _pass(self, reader: socket.socket, limit: int | None) -> None:
        with reader, socket.create_connection(self._server) as server:
            threading.Thread(target=_copy, args=(reader, server), daemon=True).start()
            passed = 0
            while data := server.recv(2_048):
                passed += len(data)
                if limit is not None and passed > limit:
                    reader.shutdown(socket.SHUT_RDWR)  # the other thread still waits on it
                    return
                reader.sendall(data)


def _copy(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            to.sendall(data)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "_PAUSE", 0.0)


@pytest.fixture
def cutting(address: str) -> Iterator[Callable[[int, int], Cutting]]:
    made: list[Cutting] = []

    def make(after: int, times: int) -> Cutting:
        made.append(Cutting(address, after, times))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_text_that_breaks_off_goes_on_where_its_reader_was(
    temperature: float,
    cutting: Callable[[int, int], Cutting],
    connected: Callable[..., RemoteEngine],
    local: LocalEngine,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "PERIOD", 0.0)  # each step by itself, as a slow model's
    policies = (RoutingPolicy(8), RoutingPolicy(16))
    request = GenerateRequest(model.name, "the little", policies, 40, temperature, seed=5)
    between = cutting(30_000, 2)
    ticket = connected(between.address).submit(request)
    steps = list(ticket.steps())
    assert between.connections == 3
    solo = local.submit(request).result()
    for row, text in enumerate(ticket.result(SOON)):
        written = [step.rows[row].token_id for step in steps if step.index >= 0]
        # What the server has finished meanwhile comes whole, without its last steps.
        assert len(written) > 0
        assert written == text.token_ids.tolist()[: len(written)]
        assert text.token_ids.tolist() == solo[row].token_ids.tolist()


def test_interventions_go_over_the_wire_whole(remote: RemoteEngine, model: Model) -> None:
    """Beside the same calls here, which share no engine with the server."""
    policy = RoutingPolicy(
        8,
        interventions=(
            Intervention("off", (0, 2), range(24), (1, 2)),
            Intervention("route_around", 1, range(9), "generated"),
            Intervention("swap", 1, 30, to=31),
            Intervention("bias", None, (40, 41), amount=1.5),
        ),
        lost_mass="restore",
    )
    rows, text = (RoutingPolicy(8), policy), "the little robot"
    run = TraceRequest(model.name, text, policy, "full")
    effects = EffectsRequest(run, ((1, 2), (2, 0)), "route_around", "last", seed=4)
    sent = [remote.submit(each) for each in (run, effects)]
    texts = remote.submit(GenerateRequest(model.name, text, rows, 8)).result(SOON)
    here = [
        ov.trace(model, text, policy, detail="full"),
        ov.effects(model, text, effects.cells, policy, away="route_around", read="last", seed=4),
        *ov.compare(model, text, rows, max_new_tokens=8),
    ]
    for mine, theirs in zip(here, [*(each.result(SOON) for each in sent), *texts], strict=True):
        for name, array in mine.stored()[1].items():
            np.testing.assert_allclose(array, theirs.stored()[1][name], 1e-4, 1e-5, err_msg=name)
    assert here[0].request.policy == sent[0].result().request.policy == policy
    assert not np.array_equal(texts[0].token_ids, texts[1].token_ids)


def test_who_breaks_every_time_is_told(
    cutting: Callable[[int, int], Cutting], connected: Callable[..., RemoteEngine], model: Model
) -> None:
    between = cutting(0, 99)
    ticket = connected(between.address).submit(ModelRequest(model.name))
    with pytest.raises(errors.LostError, match="so it did when it was begun again"):
        ticket.result(SOON)
    assert between.connections == remote_module.TRIES


def test_a_text_that_begins_differently_is_no_continuation(
    monkeypatch: pytest.MonkeyPatch, local: LocalEngine, model: Model
) -> None:
    request = GenerateRequest(model.name, "the robot", (RoutingPolicy(8),), 6, 1.0, seed=1)
    one, other = (
        local.submit(GenerateRequest(model.name, "the robot", (RoutingPolicy(8),), 6, 1.0, seed=n))
        for n in (1, 2)
    )
    ticket = Ticket(request)
    reader = remote_module._Reader(ticket, lambda: None)
    for step in one.steps():
        reader.take(wire.STEPS, wire.steps([step])[9:])
    reader.begin_again()
    assert ticket.progress == Progress("restarting")
    again = [wire.steps([step])[9:] for step in other.steps()]
    with pytest.raises(errors.EngineError, match="began differently"):
        any(reader.take(wire.STEPS, data) for data in again)


def test_an_answer_that_makes_no_sense_is_an_error_in_words(
    connected: Callable[..., RemoteEngine],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as liar:

        def lie() -> None:
            told, _ = liar.accept()
            with told:
                told.recv(65_536)
                told.sendall(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nR" + b"\0" * 7 + b"\2{}"
                )
                told.shutdown(socket.SHUT_WR)

        threading.Thread(target=lie, daemon=True).start()
        engine = connected(f"http://127.0.0.1:{liar.getsockname()[1]}")
        with pytest.raises(errors.EngineError, match="What the server sent is damaged"):
            engine.submit(ModelRequest("olmoe-nano")).result(SOON)
