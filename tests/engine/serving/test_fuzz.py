"""Mutated requests: each is refused before more is read than its header and the limits allow.

Headers come first: where one of them is wrong nothing of the body is read. What a mutation leaves
valid is no mutation, and is answered as what it says.
"""

import asyncio
import json
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

import httpx2
import pytest

from olmoe_viz import RoutingPolicy, errors
from olmoe_viz.engine.serving.app import application
from olmoe_viz.engine.serving.limits import MAX_BODY
from olmoe_viz.engine.serving.wire import ANSWERS
from olmoe_viz.requests import (
    AttentionRequest,
    BandwidthRequest,
    CoalitionRequest,
    DirectionsRequest,
    EffectsRequest,
    GenerateRequest,
    InspectRequest,
    LensRequest,
    ModelRequest,
    Patch,
    PatchRequest,
    PredictRequest,
    Request,
    RoutesRequest,
    ScoreRequest,
    TimeRequest,
    TraceRequest,
    from_json,
    to_json,
)
from olmoe_viz.settings import Settings
from tests.engine.serving.conftest import TOKEN
from tests.servers import in_own_loop
from tests.ui.engines import ByHand

K = RoutingPolicy(8)
FULL = TraceRequest("olmoe-nano", "Once", K, "full")
VALID: list[Request] = [
    FULL,
    TraceRequest("olmoe-nano", (1, 2, 3), RoutingPolicy((8,) * 16, "renormalized")),
    GenerateRequest("olmoe-nano", "Once", (K, RoutingPolicy(16)), 20, 0.5, 0.9, 7),
    ScoreRequest("olmoe-nano", "Once", (K,), K),
    TimeRequest("olmoe-nano", "Once", K, 4, 2),
    InspectRequest(FULL, 3, 0, (K,)),
    AttentionRequest(FULL, 3, 0, 1),
    PredictRequest(FULL, (0,)),
    LensRequest(FULL, 0),
    DirectionsRequest(FULL, 0, (1, 2)),
    EffectsRequest(FULL, ((3, 0), (4, 0)), read="last", continuation=(5, 6)),
    PatchRequest(FULL, FULL, (Patch(3, (0,)), Patch(4, (0,), expert=7))),
    RoutesRequest(FULL, 3, 0),
    CoalitionRequest(FULL, 0),
    BandwidthRequest("olmoe-nano"),
    ModelRequest("olmoe-nano"),
]
HEADERS = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
PIECE = 64 * 1024
STRANGE = [None, True, -1, 2**63, 10**400, 1e999, "", "x" * 70_000, [], {}, [[]], "\ud800", "../.."]
NAMES = [
    "/etc/passwd",
    "../../secret",
    "someone/else",
    "olmoe-nano@main",
    "file:///etc",
    "",
    "a\0b",
]


@dataclass
class Sent:
    """One request as it is sent; `early` says that its body must not be touched."""

    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(HEADERS))
    method: str = "POST"
    path: str = ANSWERS
    early: bool = False


def mutated(draw: random.Random) -> Sent:
    """Return a valid request with one thing wrong."""
    values = json.loads(to_json(draw.choice(VALID)))
    return draw.choice([_bytes, _bytes, _value, _value, _field, _model, _size, _header, _place])(
        draw, values
    )


def _bytes(draw: random.Random, values: dict[str, Any]) -> Sent:
    body = bytearray(json.dumps(values).encode())
    for _ in range(draw.randint(1, 4)):
        body[draw.randrange(len(body))] = draw.randrange(256)
    return Sent(bytes(body[: draw.choice([len(body), draw.randrange(len(body))])]))


def _value(draw: random.Random, values: dict[str, Any]) -> Sent:
    at = values
    while isinstance(inner := at[draw.choice(list(at))], dict):
        at = inner
    at[draw.choice(list(at))] = draw.choice(STRANGE)
    return Sent(json.dumps(values).encode())


def _field(draw: random.Random, values: dict[str, Any]) -> Sent:
    if draw.random() < 0.5:
        del values[draw.choice(list(values))]
    else:
        values[draw.choice(["trust_remote_code", "__class__", "path", "Model"])] = True
    return Sent(json.dumps(values).encode())


def _model(draw: random.Random, values: dict[str, Any]) -> Sent:
    at = values
    if "model" not in at:
        at = at[draw.choice([name for name in ("run", "source", "target") if name in at])]
    at["model"] = draw.choice(NAMES)
    return Sent(json.dumps(values).encode())


def _size(draw: random.Random, values: dict[str, Any]) -> Sent:
    body = json.dumps(values).encode() + b" " * (2 * MAX_BODY)
    sent = Sent(draw.choice([body, b"[" * (2 * MAX_BODY), b'"' + b"\\u0000" * MAX_BODY]))
    if draw.random() < 0.5:
        sent.headers["content-length"], sent.early = str(len(sent.body)), True
    return sent


def _header(draw: random.Random, values: dict[str, Any]) -> Sent:
    name, value = draw.choice(
        [
            ("content-type", "text/plain"),
            ("content-type", "multipart/form-data; boundary=a"),
            ("authorization", f"Bearer {TOKEN[:-1]}"),
            ("authorization", "Basic YTpi"),
            ("authorization", "Bearer é"),
            ("content-length", "-1"),
            ("content-length", "9" * 400),
            ("content-length", "0x10"),
            ("olmoe-visitor", "../../etc"),
            ("olmoe-visitor", "a" * 65),
            ("olmoe-visitor", "<script>"),
        ]
    )
    return Sent(json.dumps(values).encode(), HEADERS | {name: value}, early=True)


def _place(draw: random.Random, values: dict[str, Any]) -> Sent:
    body = json.dumps(values).encode()
    paths = [
        "/",
        "/v1/../metrics",
        f"{ANSWERS}/../../etc/passwd",
        "/v1/answers/%2e%2e",
        "/v2/answers",
    ]
    if draw.random() < 0.5:
        return Sent(body, path=draw.choice(paths), early=True)
    return Sent(body, method=draw.choice(["GET", "PUT", "DELETE", "TRACE", "É"]), early=True)


def ask(app: Callable[..., Any], sent: Sent) -> tuple[int, int]:
    """Return the status of the answer, and how many bytes of the body were read before it."""
    read, status = 0, 0
    pieces = iter([sent.body[n : n + PIECE] for n in range(0, len(sent.body), PIECE)])

    async def receive() -> dict[str, Any]:
        nonlocal read
        piece = next(pieces, None)
        if piece is None:
            await asyncio.Event().wait()  # whoever asks stays until there is an answer
        read += len(piece or b"")
        return {"type": "http.request", "body": piece, "more_body": read < len(sent.body)}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": sent.method,
        "path": sent.path,
        "raw_path": sent.path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8600),
        "headers": [(name.encode(), value.encode()) for name, value in sent.headers.items()],
    }
    in_own_loop(app(scope, receive, send))
    return status, read


def is_valid(sent: Sent) -> bool:
    """Whether a mutation has left a request, which is then answered as what it says."""
    try:
        from_json(sent.body.decode())
    except (errors.InputError, UnicodeDecodeError):
        return False
    return not sent.early and len(sent.body) <= MAX_BODY


def mutations(draw: random.Random, number: int, tried: list[Request]) -> Iterator[Sent]:
    """Yield so many requests that are none; what happens to be one goes to `tried`."""
    while number:
        sent = mutated(draw)
        if is_valid(sent) and from_json(sent.body.decode()).model == "olmoe-nano":
            tried.append(from_json(sent.body.decode()))
        else:
            number -= 1
            yield sent


def test_every_mutated_request_is_refused_early(
    in_full: bool, configure: Callable[..., None]
) -> None:
    configure(models="bundled")
    assert set(map(type, VALID)) == set(get_args(Request))
    engine = ByHand(lambda ticket: ticket.fail(errors.EngineError("none")))
    app = application(engine, Settings(token=TOKEN), "olmoe-nano")
    number, began, still_valid = 2_000 if in_full else 100, time.perf_counter(), list[Request]()
    for sent in mutations(random.Random(16), number, still_valid):
        status, read = ask(app, sent)
        assert 400 <= status < 500, (status, sent)
        assert read <= (0 if sent.early else MAX_BODY + PIECE), sent
    assert engine.tickets == []
    sys.stdout.write(f"{number} requests in {time.perf_counter() - began:.1f} s\n")
    for request in [*VALID, *still_valid[:20]]:
        status, _ = ask(app, Sent(to_json(request).encode()))
        if status == 200:  # what a mutation has made too large is refused by the limits
            assert engine.tickets.pop().request == request
        else:
            assert status == 422
            assert request not in VALID


@pytest.mark.parametrize("seed", [1])
def test_what_is_not_http_ends_its_connection_alone(
    seed: int, in_full: bool, serve: Callable[..., str]
) -> None:
    address, draw = serve(ByHand()), random.Random(seed)
    host, port = address.removeprefix("http://").split(":")
    heads = [
        b"\x16\x03\x01\x02" + draw.randbytes(200),
        b"POST " + ANSWERS.encode() + b" HTTP/1.1\r\n" + b"a: b\r\n" * 10_000,
        b"GET /" + b"a" * 100_000,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\0" * 1_000,
    ]
    heads += [draw.randbytes(draw.randint(1, 300)) + b"\r\n\r\n" for _ in range(200 * in_full)]
    for head in heads:
        with socket.create_connection((host, int(port)), timeout=20) as raw:
            try:
                raw.sendall(head)
                raw.shutdown(socket.SHUT_WR)
                answer = raw.recv(1_000)
            except ConnectionError:
                continue
            assert answer[:12] in (b"", b"HTTP/1.1 400"), (head[:40], answer)
    assert httpx2.get(f"{address}/livez").status_code == 200
