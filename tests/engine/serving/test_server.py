"""A server of a tiny model: its answers are the engine's, and what it refuses."""

import socket
import time
from collections.abc import Callable
from typing import Any

import httpx2
import numpy as np
import psutil
import pytest

from olmoe_viz import LocalEngine, RoutingPolicy, errors
from olmoe_viz.engine.engine import Progress, Ticket, asking
from olmoe_viz.engine.remote import RemoteEngine, connect
from olmoe_viz.engine.serving import limits, readiness, stream
from olmoe_viz.engine.serving.wire import ANSWERS
from olmoe_viz.models.model import Model
from olmoe_viz.requests import (
    BandwidthRequest,
    EffectsRequest,
    GenerateRequest,
    InspectRequest,
    ModelRequest,
    Patch,
    PatchRequest,
    Request,
    ScoreRequest,
    TimeRequest,
    TraceRequest,
    to_json,
)
from tests.engine.serving.conftest import SOON, TOKEN
from tests.servers import until
from tests.ui.engines import ByHand

EIGHT = RoutingPolicy(8)
BOTH_RUNS = PatchRequest(
    TraceRequest("olmoe-nano", (1,), EIGHT),
    TraceRequest("olmoe-nano", (1, 2, 3), EIGHT),
    (Patch(0, (0,)),),
)
JSON = {"content-type": "application/json"}


def test_every_kind_of_answer_is_the_engines(
    remote: RemoteEngine, local: LocalEngine, model: Model
) -> None:
    full = TraceRequest(model.name, "the robot", EIGHT, "full")
    for request in (
        full,
        InspectRequest(full, 1, 0, (EIGHT,)),
        ScoreRequest(model.name, "the robot", (EIGHT,)),
        ModelRequest(model.name),
    ):
        mine, theirs = local.submit(request).result(), remote.submit(request).result()
        assert mine.stored()[0] == theirs.stored()[0]
        for name, array in mine.stored()[1].items():
            np.testing.assert_array_equal(array, theirs.stored()[1][name])
    ticket = remote.submit(TimeRequest(model.name, "the robot", EIGHT, runs=2))
    assert len(list(ticket.steps())) == 2
    assert ticket.result().request == ticket.request
    assert asking(remote)(BandwidthRequest(model.name)).bytes_per_second > 0


def test_texts_come_step_by_step_and_are_kept(remote: RemoteEngine, model: Model) -> None:
    request = GenerateRequest(model.name, "the robot", (EIGHT, RoutingPolicy(16)), 12, 1.0, seed=3)
    ticket = remote.submit(request)
    steps = list(ticket.steps())
    texts = ticket.result(SOON)
    for row, text in enumerate(texts):
        written = [step.rows[row].token_id for step in steps]
        assert [each for each in written if each is not None] == text.token_ids.tolist()
        logits = [s.rows[row].router_logits for s in steps if s.rows[row].token_id is not None]
        np.testing.assert_array_equal(np.stack(logits, axis=1), text.router_logits)
    assert remote.kept(request) is texts
    assert remote.submit(request).cached


def test_the_engines_errors_arrive_as_they_are(remote: RemoteEngine, model: Model) -> None:
    with pytest.raises(errors.InputError, match="no text yet"):
        remote.submit(TraceRequest(model.name, "", EIGHT)).result(SOON)
    with pytest.raises(errors.InputError, match="does not offer '/etc/passwd'"):
        remote.submit(ModelRequest("/etc/passwd")).result(SOON)


def test_closing_the_connection_cancels_the_request(
    serve: Callable[..., str], connected: Callable[..., RemoteEngine]
) -> None:
    engine = ByHand()
    remote = connected(serve(engine))
    ticket = remote.submit(ModelRequest("olmoe-nano"), "ab12")
    until(lambda: len(engine.tickets) == 2)  # the first is the probe's
    assert engine.visitors == ["0", "ab12"]
    ticket.cancel()
    with pytest.raises(errors.CancelledError):
        ticket.result(SOON)
    until(lambda: engine.tickets[1].cancelled)


def test_a_full_line_is_503_with_when_to_come_again(
    serve: Callable[..., str], connected: Callable[..., RemoteEngine]
) -> None:
    def full(_: Ticket) -> None:
        raise errors.BusyError("It is full.", 9.0)

    address = serve(ByHand(full))
    answer = httpx2.post(
        address + ANSWERS, content=to_json(ModelRequest("olmoe-nano")), headers=JSON
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "9")
    with pytest.raises(errors.BusyError, match="It is full") as caught:
        connected(address).submit(ModelRequest("olmoe-nano")).result(SOON)
    assert caught.value.retry_after == 9.0


@pytest.mark.parametrize(
    ("limit", "request_", "words"),
    [
        ({"new_tokens": 4}, GenerateRequest("olmoe-nano", "a", (EIGHT,), 5), "At most 4 tokens"),
        ({"columns": 2}, GenerateRequest("olmoe-nano", "a", (EIGHT,) * 3, 1), "At most 2 rows"),
        ({}, ScoreRequest("olmoe-nano", "a", (EIGHT,) * 17), "At most 16 rows"),
        (
            {},
            EffectsRequest(TraceRequest("olmoe-nano", "a", EIGHT), ((0, 0),) * 16_385),
            "At most 16,384 cells",
        ),
        ({"prompt_tokens": 2}, TraceRequest("olmoe-nano", (1, 2, 3), EIGHT), "at most 2 tokens"),
        ({"prompt_tokens": 2}, TraceRequest("olmoe-nano", "a" * 600, EIGHT), "600 characters"),
        ({"prompt_tokens": 2}, BOTH_RUNS, "at most 2 tokens"),
        ({}, TimeRequest("olmoe-nano", "a", EIGHT, runs=21), "At most 20 runs"),
        ({"models": "bundled"}, ModelRequest("allenai/OLMoE-1B-7B-0924"), "does not offer"),
    ],
)
def test_what_is_above_a_limit_is_a_sentence(
    limit: dict[str, object],
    request_: Request,
    words: str,
    configure: Callable[..., None],
) -> None:
    from olmoe_viz import settings
    from olmoe_viz.engine.admission import Admission

    configure(**limit)
    with pytest.raises(errors.InputError, match=words):
        Admission(settings.current()).check(request_, "a")


def test_who_asks_too_often_waits_and_nobody_else(configure: Callable[..., None]) -> None:
    from olmoe_viz import settings
    from olmoe_viz.engine.admission import Admission

    configure(requests_per_minute=2)
    now = 0.0
    admission = Admission(settings.current(), lambda: now)
    for _ in range(2):
        admission.check(ModelRequest("olmoe-nano"), "a")
    now = 20.0
    with pytest.raises(errors.BusyError, match="Try again in 40 seconds") as caught:
        admission.check(ModelRequest("olmoe-nano"), "a")
    assert caught.value.retry_after == 40.0
    admission.check(ModelRequest("olmoe-nano"), "b")
    now = 60.5
    admission.check(ModelRequest("olmoe-nano"), "a")


def test_a_token_is_asked_for_before_anything_is_read(
    serve: Callable[..., str], connected: Callable[..., RemoteEngine]
) -> None:
    engine = ByHand()
    address = serve(engine, token=TOKEN)
    content = to_json(ModelRequest("olmoe-nano"))
    for shown in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
        assert (
            httpx2.post(address + ANSWERS, content=content, headers=JSON | shown).status_code == 401
        )
        assert httpx2.get(address + "/metrics", headers=shown).status_code == 401
    assert httpx2.get(address + "/livez").status_code == 200
    assert len(engine.tickets) == 1  # the probe
    remote = connected(address, TOKEN)
    remote.submit(ModelRequest("olmoe-nano"))
    until(lambda: len(engine.tickets) == 2)


def test_without_a_token_no_page_of_the_web_can_ask(address: str) -> None:
    content = to_json(ModelRequest("olmoe-nano"))
    answer = httpx2.post(
        address + ANSWERS, content=content, headers=JSON | {"host": "evil.example:8600"}
    )
    assert answer.status_code == 400
    # What a form or a script of another site can send without being asked first.
    answer = httpx2.post(address + ANSWERS, content=content, headers={"content-type": "text/plain"})
    assert answer.status_code == 415


def test_ready_means_that_a_token_was_written(
    address: str, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert httpx2.get(address + "/readyz").status_code == 200
    monkeypatch.setattr(readiness, "PAUSE", 0.0)
    damaged = [errors.ModelError("It is damaged.")] * 2

    def answer(ticket: Ticket) -> None:
        ticket.fail(damaged.pop()) if damaged else ticket.finish(())

    broken = serve(ByHand(answer))
    assert httpx2.get(broken + "/readyz").status_code == 503
    assert httpx2.get(broken + "/livez").status_code == 200
    assert httpx2.get(broken + "/readyz").status_code == 200  # it is whole again


def test_who_asks_often_whether_it_is_ready_asks_for_no_more_tokens(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_PATIENCE", 0.0)
    engine = ByHand()
    address = serve(engine)
    for _ in range(3):
        assert httpx2.get(address + "/readyz").status_code == 503
    engine.tickets[0].finish(())
    until(lambda: httpx2.get(address + "/readyz").status_code == 200)
    assert len(engine.tickets) == 1
    # A token is old, and the next probe waits in line behind others.
    monkeypatch.setattr(readiness, "monotonic", lambda: time.monotonic() + readiness.FRESH)
    assert httpx2.get(address + "/readyz").status_code == 200
    engine.tickets[1].advance(Progress("running"))
    assert httpx2.get(address + "/readyz").status_code == 503


def test_metrics_hold_no_prompt_text_or_address(
    address: str, remote: RemoteEngine, model: Model
) -> None:
    texts = remote.submit(GenerateRequest(model.name, "garden", (EIGHT,), 3, seed=11)).result(SOON)
    until(lambda: "rows_at_work 0" in httpx2.get(address + "/metrics").text)
    found = httpx2.get(address + "/metrics").text
    counts = dict(line.rsplit(" ", 1) for line in found.splitlines())
    assert int(counts["olmoe_tokens_total"]) >= len(texts[0].tokens)
    assert int(counts["olmoe_memory_bytes"]) > 10**7
    for word in ("garden", texts[0].text, "127.0.0.1", model.name):
        assert word not in found


class Beside:
    """A test's own tickets for what a model is; the engine of a model for everything else."""

    def __init__(self, local: LocalEngine) -> None:
        self.by_hand, self._local = ByHand(), local

    def submit(self, request: Request, visitor: str = "") -> Ticket:
        chosen = self.by_hand if isinstance(request, ModelRequest) else self._local
        return chosen.submit(request, visitor)


def test_a_reader_who_never_reads_is_ended_and_the_others_texts_go_on(
    serve: Callable[..., str],
    connected: Callable[..., RemoteEngine],
    local: LocalEngine,
    model: Model,
    tiny_offered: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "SLOW", 0.3)
    engine = Beside(local)
    address = serve(engine, model.name)
    host, port = address.removeprefix("http://").split(":")
    content = to_json(ModelRequest(model.name)).encode()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader.connect((host, int(port)))
        head = f"POST {ANSWERS} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        reader.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        until(lambda: len(engine.by_hand.tickets) == 1)
        ticket = engine.by_hand.tickets[0]
        for _ in range(20):  # together more than sockets hold
            ticket.add_step([1 / 3] * 20_000)
        other = GenerateRequest(model.name, "the robot", (EIGHT,), 30, 1.0, seed=21)
        (text,) = connected(address).submit(other).result(SOON)
        until(lambda: ticket.cancelled)
        until(lambda: "dropped_total 1" in httpx2.get(address + "/metrics").text)
        until(lambda: reader.getsockname() not in [each.raddr for each in open_here(int(port))])
    (solo,) = LocalEngine(model).submit(other).result(SOON)
    assert text.token_ids.tolist() == solo.token_ids.tolist()


def open_here(port: int) -> list[Any]:
    """Return the connections that this process has on a port."""
    found = psutil.Process().net_connections("tcp4")
    return [each for each in found if each.laddr.port == port and each.raddr]


def test_a_body_that_never_comes_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as slow:
        head = f"POST {ANSWERS} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        slow.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
        slow.settimeout(SOON)
        assert slow.recv(100).startswith(b"HTTP/1.1 408")


def test_an_address_that_others_reach_needs_a_token() -> None:
    from olmoe_viz.engine.serving.listening import server
    from olmoe_viz.settings import Settings

    for host in ("0.0.0.0", "192.168.0.2", "::", "example.org"):  # noqa: S104 - refused
        with pytest.raises(errors.InputError, match="a token is needed"):
            server(Settings(), host, 0)


def test_connect_takes_addresses_of_http_alone() -> None:
    for wrong in ("file:///etc/passwd", "host:8600", "/tmp/socket"):  # noqa: S108 - refused
        with pytest.raises(ValueError, match="begins with http"):
            connect(wrong)
