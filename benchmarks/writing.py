"""How fast texts are written: by k, with several ks in one batch, by rows and by context."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch

import olmoe_viz as ov
from benchmarks.bench import Bench
from benchmarks.machine import Run, in_turn, summary, wait
from benchmarks.stock import fastest_ways
from olmoe_viz.models.model import Model
from olmoe_viz.records.generation import Generation

Way = tuple[str | None, int | None]
Calls = dict[str, Callable[[], Run]]
_COPY = "copy"


def write(
    model: Model,
    prompt: Sequence[int],
    policies: Sequence[ov.RoutingPolicy],
    tokens: int,
) -> tuple[Run, tuple[Generation, ...]]:
    """Write with `ov.stream` to the last record; routing recorded and text made."""
    wait(model.device)
    began = time.perf_counter()
    with ov.stream(model, prompt, policies, tokens) as generating:
        times = [time.perf_counter() for step in generating if step.index >= 0]
        written = generating.generations()
    total = time.perf_counter() - began
    if generating.error is not None or any(len(row.token_ids) != tokens for row in written):
        raise RuntimeError(generating.error or "Fewer tokens were written than asked for.")
    rows = len(policies)
    run = Run(total, times[0] - began, times[-1] - times[0], rows * tokens, rows)
    return run, written


def by_k(bench: Bench) -> list[dict[str, Any]]:
    """Time one row at each k, beside stock, and compiled stock on a GPU."""
    return [_one_k(bench, k) for k in bench.settings.ks]


def mixed(bench: Bench) -> dict[str, Any]:
    """Time rows of several ks in one batch, beside the largest alone and stock's calls in turn."""
    ks, tokens = bench.settings.mixed, bench.settings.tokens
    prompt = bench.prompt(bench.settings.prompt)
    runs = {"batch": partial(_ours, bench, prompt, [ov.RoutingPolicy(k) for k in ks])}
    runs["alone"] = partial(_ours, bench, prompt, [ov.RoutingPolicy(max(ks))])
    ways = {k: fastest_ways(bench.stock, prompt, k, tokens) for k in ks}
    runs |= {
        f"{k} {way}": partial(bench.stock.generate, prompt, k, tokens, way)
        for k in ks
        for way in ways[k]
    }
    done = in_turn(runs, bench.settings.rounds)
    calls = {k: [summary(done[f"{k} {way}"])["seconds"] for way in ways[k]] for k in ks}
    batch, alone = summary(done["batch"]), summary(done["alone"])
    between = {name: median(run.between for run in done[name]) for name in ("batch", "alone")}
    peer = sum(map(min, calls.values()))
    return {
        "ks": list(ks),
        "batch": batch,
        "alone": alone,
        "stock_seconds": peer,
        "against_alone": between["batch"] / between["alone"],
        "against_stock": peer / batch["seconds"],
    }


def intervened(bench: Bench) -> dict[str, Any]:
    """Time one row at the trained k with and without interventions in every layer."""
    plain = ov.RoutingPolicy(bench.model.geometry.trained_k)
    what = "off:*.3_17", "bias:*.9~0.5@generated"
    steered = replace(
        plain,
        interventions=tuple(map(ov.Intervention.parse, what)),
        lost_mass="restore",
    )
    prompt = bench.prompt(bench.settings.prompt)
    runs = {str(each): partial(_ours, bench, prompt, [each]) for each in (plain, steered)}
    done = in_turn(runs, bench.settings.rounds)
    between = [median(run.between for run in each) for each in done.values()]
    return {"policies": list(runs), "seconds": between, "ratio": between[1] / between[0]}


def by_rows(bench: Bench) -> dict[str, Any]:
    """Time batches of rows at the trained k, beside one call of stock and a batch of it."""
    settings, k = bench.settings, bench.model.geometry.trained_k
    prompt = bench.prompt(settings.prompt)
    batches = {rows: policies_apart(rows, bench.model.geometry.layers, k) for rows in settings.rows}
    runs: Calls = {
        str(rows): partial(_ours, bench, prompt, policies) for rows, policies in batches.items()
    }
    (best, *_) = fastest_ways(bench.stock, prompt, k, settings.tokens)
    most = max(settings.rows)
    generate = partial(bench.stock.generate, prompt, k, settings.tokens, best)
    runs |= {"stock": generate, "stock batch": partial(generate, rows=most)}
    done, copies = _in_turn(bench, runs)
    rows = [
        _row(bench, copies, summary(done[str(rows)]), policies, prompt)
        for rows, policies in batches.items()
    ]
    return {
        "k": k,
        "batches": rows,
        "stock": summary(done["stock"]),
        "stock_batch": summary(done["stock batch"]) | {"rows": most},
        "way": _words(best),
    }


def by_context(bench: Bench) -> list[dict[str, Any]]:
    """Time one row at the trained k after prompts of several lengths, beside stock."""
    settings, k = bench.settings, bench.model.geometry.trained_k
    room = bench.model.geometry.context - settings.tokens
    rows = []
    for context in sorted({min(length, room) for length in settings.contexts}):
        prompt = bench.prompt(context)
        (best, *_) = fastest_ways(bench.stock, prompt, k, settings.tokens)
        runs: Calls = {"ours": partial(_ours, bench, prompt, [ov.RoutingPolicy(k)])}
        runs["stock"] = partial(bench.stock.generate, prompt, k, settings.tokens, best)
        done, copies = _in_turn(bench, runs)
        ours, mean = summary(done["ours"]), context + settings.tokens / 2
        rows.append(
            {
                "context": context,
                "ours": ours,
                "stock": summary(done["stock"]) | {"way": _words(best)},
                "share": ours["tokens_per_second"] / bench.limit(copies, k),
                "share_with_cache": ours["tokens_per_second"] / bench.limit(copies, k, mean),
            }
        )
    return rows


def policies_apart(rows: int, layers: int, k: int) -> list[ov.RoutingPolicy]:
    """Return policies with k experts in the mean that part the rows of one prompt.

    Alike rows would write one text with the same few experts. So each but the first uses two
    experts fewer in half of the layers, drawn for each row, and two more in the others.
    """
    draw = np.random.default_rng(0)
    ks = np.full(layers, k)
    ks[: layers // 2] -= 2
    ks[layers // 2 : layers // 2 * 2] += 2
    apart = [tuple(draw.permutation(ks).tolist()) for _ in range(rows - 1)]
    return [ov.RoutingPolicy(k), *map(ov.RoutingPolicy, apart)]


def _in_turn(bench: Bench, runs: Calls) -> tuple[dict[str, list[Run]], list[float]]:
    """Run all in turn, and between them the copy of memory; return the runs and its bandwidths."""
    done: dict[str, list[Any]] = in_turn({**runs, _COPY: bench.copy_now}, bench.settings.rounds)
    return done, done.pop(_COPY)


def _ours(
    bench: Bench,
    prompt: Sequence[int],
    policies: Sequence[ov.RoutingPolicy],
) -> Run:
    return write(bench.model, prompt, policies, bench.settings.tokens)[0]


def _one_k(bench: Bench, k: int) -> dict[str, Any]:
    tokens, prompt = bench.settings.tokens, bench.prompt(bench.settings.prompt)
    ways = fastest_ways(bench.stock, prompt, k, tokens)
    runs: Calls = {"ours": partial(_ours, bench, prompt, [ov.RoutingPolicy(k)])}
    runs |= {f"{way}": partial(bench.stock.generate, prompt, k, tokens, way) for way in ways}
    compiled, reason = _compiled(bench, prompt, k)
    done, copies = _in_turn(bench, runs | compiled)
    ours = summary(done["ours"])
    stock = [summary(done[f"{way}"]) | {"way": _words(way)} for way in ways]
    at_best = [summary(done[name]) | {"way": name} for name in compiled]
    return {
        "k": k,
        "ours": ours,
        "stock": min(stock, key=_seconds),
        "compiled": min(at_best, key=_seconds) if at_best else None,
        "compiled_not_run": reason,
        "copy": median(copies),
        "limit": bench.limit(copies, k),
        "share": ours["tokens_per_second"] / bench.limit(copies, k),
    }


def _compiled(bench: Bench, prompt: Sequence[int], k: int) -> tuple[Calls, str | None]:
    """Return the ways of compiled stock that run, compiled now; else why there is none."""
    settings = bench.settings
    if bench.model.device.type != "cuda":
        return {}, "only on a GPU"
    if k not in settings.compiled_ks or not settings.compiled:
        return {}, "not asked for"
    torch.compiler.reset()  # one k after the other: past its limit of versions nothing is compiled
    runs: Calls = {}
    reason = None
    for name in settings.compiled:
        way = (name, None)
        run = partial(bench.stock.generate, prompt, k, settings.tokens, way, static=True)
        try:
            run()
            runs[f"{name}, compiled"] = run
        except Exception as error:  # noqa: BLE001 - what a compiler raises has no common class
            reason = f"{name} failed: {(str(error).splitlines() or [type(error).__name__])[0]}"
    return runs, None if runs else reason


def _row(
    bench: Bench,
    copies: Sequence[float],
    ours: dict[str, Any],
    policies: Sequence[ov.RoutingPolicy],
    prompt: Sequence[int],
) -> dict[str, Any]:
    _, written = write(bench.model, prompt, policies, bench.settings.tokens)
    used, rows = experts_used(written), len(policies)
    return {
        "rows": rows,
        "ours": ours,
        "experts_used": used,
        "share": ours["tokens_per_second"] / (rows * bench.limit(copies, used)),
    }


def experts_used(written: Sequence[Generation]) -> float:
    """Return how many experts of a layer the rows use in one step together, in the mean."""
    layers, tokens, _ = written[0].expert_ids.shape
    counts = []
    for layer in range(layers):
        for token in range(tokens):
            ids = {id_ for row in written for id_ in row.expert_ids[layer, token].tolist()}
            counts.append(len(ids - {-1}))
    return sum(counts) / len(counts)


def _words(way: Way) -> str:
    name, threads = way
    return "default" if name is None else f"{name}, threads: {threads}"


def _seconds(values: dict[str, Any]) -> float:
    return float(values["seconds"])
