"""How fast a text is read with its routing recorded, and where the first token's time goes."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from statistics import median
from typing import Any

import olmoe_viz as ov
from benchmarks.bench import Bench
from benchmarks.machine import in_turn, wait
from olmoe_viz.models.model import Model
from olmoe_viz.requests import Detail


def prefill(bench: Bench) -> dict[str, Any]:
    """Time one reading of a text, beside stock's forward with router logits.

    `device` is until the last record has left the device, as the record's provenance has it;
    `host` is what validation and text take after that.
    """
    tokens = min(bench.settings.prefill, bench.model.geometry.context)
    ids, k = bench.prompt(tokens), bench.model.geometry.trained_k
    runs = {
        "routing": partial(_trace, bench.model, ids, "routing"),
        "full": partial(_trace, bench.model, ids, "full"),
        "stock": partial(_forward, bench, ids, k, 0),
        "stock, last logits": partial(_forward, bench, ids, k, 1),
    }
    done = in_turn(runs, bench.settings.rounds)
    parts = {
        name: {"device": median(each[0] for each in all_of), "host": median(e[1] for e in all_of)}
        for name, all_of in done.items()
    }
    vectors = 4 * (2 * bench.model.geometry.layers + 1) * tokens * bench.model.geometry.hidden
    return {
        "tokens": tokens,
        "k": k,
        **parts,
        "full_bytes": vectors,
        "to_host": bench.to_host,
        "against_stock": parts["routing"]["device"] / parts["stock"]["device"],
    }


def first_token(model: str, layers: int | None, device: str, dtype: str | None) -> dict[str, Any]:
    """Time the first token of two fresh processes: with an empty Triton cache, then the same one.

    The model is loaded before the clock starts; `again` is a second text in the same process.
    """
    call = [sys.executable, "-m", "benchmarks.first_token", "--model", model, "--device", device]
    call += [] if layers is None else ["--layers", str(layers)]
    call += [] if dtype is None else ["--dtype", dtype]
    with tempfile.TemporaryDirectory() as empty:
        caches = {"TRITON_CACHE_DIR": empty, "TORCHINDUCTOR_CACHE_DIR": empty}
        return {name: _process(call, caches) for name in ("empty_cache", "filled_cache")}


def first_of(model: Model, prompt: Sequence[int]) -> float:
    """Return the seconds until the first token has come."""
    policy = ov.RoutingPolicy(model.geometry.trained_k)
    wait(model.device)
    began = time.perf_counter()
    with ov.stream(model, prompt, [policy], 2) as generating:
        for step in generating:
            if step.index >= 0:
                return time.perf_counter() - began
    raise RuntimeError(generating.error or "No token was written.")


def _process(call: Sequence[str], caches: dict[str, str]) -> dict[str, float]:
    ran = subprocess.run(  # noqa: S603 - this project's own command
        call, env=os.environ | caches, stdout=subprocess.PIPE, text=True, check=True
    )
    seconds: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return seconds


def _trace(model: Model, ids: Sequence[int], detail: Detail) -> tuple[float, float]:
    wait(model.device)
    began = time.perf_counter()
    trace = ov.trace(model, ids, detail=detail)
    total = time.perf_counter() - began
    return trace.provenance.seconds, total - trace.provenance.seconds


def _forward(bench: Bench, ids: Sequence[int], k: int, kept: int) -> tuple[float, float]:
    return bench.stock.forward(ids, k, kept).total, 0.0
