"""Load a checkpoint of any size by its folder and ask it everything a page can ask.

    python -m benchmarks.real FOLDER [--device cuda] [--tokens 4000] [--spread GB]

Times the load against reading the files' bytes, both from a cold and from a warm page cache (files
are put out of it by posix_fadvise; what a disk keeps itself is not known), each load in a process
of its own. Then traces, compares and inspects a long text through every kind of request, and prints
the peak memory. `--spread` leaves so many GB free on each GPU, so that no single one can hold the
model and accelerate places it over all.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch

import olmoe_viz as ov
from benchmarks.machine import describe, timed, wait
from olmoe_viz import LocalEngine, RoutingPolicy
from olmoe_viz import requests as ask
from olmoe_viz.engine.engine import asking
from olmoe_viz.models.files import weight_files
from olmoe_viz.models.memory import free_bytes
from olmoe_viz.models.model import Model

_CARD = 24e9  # bytes of the card that the real model must fit
_NEXT = 16  # tokens that are written
_PIECE = 16 * 2**20


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write the JSON file."""
    options = _options().parse_args(arguments)
    if options.load_only:
        print(json.dumps(_loaded(options)[1]))
        return
    ballast = fill(options.spread) if options.spread is not None else []
    measured: dict[str, Any] = (
        {} if ballast else {"load": load_times(options.folder, _own(options))}
    )
    model, seconds = _loaded(options)
    measured["machine"] = describe(model.device)
    measured["placed"] = sorted({str(weight.device) for weight in model.module.parameters()})
    measured["seconds"] = {"load": seconds} | answer_times(model, options.tokens)
    measured["memory"] = peak_memory(model.device, [part.numel() for part in ballast])
    print("\n".join(_lines(measured)))
    if options.json is not None:
        options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def load_times(folder: Path, own: list[str]) -> dict[str, dict[str, float]]:
    """Return the seconds of reading the weight files and of loading them, cold and warm."""
    files = weight_files(folder)
    seconds: dict[str, dict[str, float]] = {}
    for state in ("cold", "warm"):
        seconds[state] = {}
        for name, work in (("read", partial(read, files)), ("load", partial(_child, own))):
            if state == "cold":
                put_out(files)
            seconds[state][name] = work()
    return seconds


def read(files: list[Path]) -> float:
    """Read files from their begin to their end and return the seconds."""
    buffer = bytearray(_PIECE)
    began = time.perf_counter()
    for file in files:
        with file.open("rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass
    return time.perf_counter() - began


def put_out(files: list[Path]) -> None:
    """Put files out of the page cache, written ones after they are on the disk."""
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def fill(left: float) -> list[torch.Tensor]:
    """Take memory of every GPU until `left` GB of it are free; hold the result."""
    taken = []
    for index in range(torch.cuda.device_count()):
        gpu = torch.device("cuda", index)
        size = free_bytes(gpu) - int(left * 1e9)
        taken.append(torch.empty(max(size, 0), dtype=torch.uint8, device=gpu))
    return taken


def every_request(model: Model, tokens: int) -> list[ask.Request]:
    """Return a request of each kind about a text of so many tokens, or as many as there can be."""
    name, sizes = model.name, model.geometry
    count = min(tokens, sizes.context - _NEXT)
    text = tuple(2 + place % (len(model.tokenizer) - 2) for place in range(count))
    wide = (RoutingPolicy(sizes.trained_k), RoutingPolicy(sizes.experts))
    run = ask.TraceRequest(name, text, wide[0], "full")
    last, layer = count - 1, sizes.layers // 2
    return [
        ask.ModelRequest(name),
        ask.BandwidthRequest(name),
        run,
        ask.GenerateRequest(name, text, wide, _NEXT),
        ask.InspectRequest(run, layer, last, wide),
        ask.AttentionRequest(run, layer, max(count - _NEXT, 0), count),
        ask.PredictRequest(run, tuple(range(max(count - _NEXT, 0), count))),
        ask.LensRequest(run, last),
        ask.DirectionsRequest(run, last, (2, 3)),
        ask.EffectsRequest(run, ((layer, last),)),
        ask.PatchRequest(run, run, (ask.Patch(layer, (last,)),)),
        ask.CoalitionRequest(run, last, 2),
        ask.RoutesRequest(run, layer, last),
        ask.ScoreRequest(name, text, wide, wide[0]),
        ask.TimeRequest(name, text, wide[0], _NEXT, runs=1),
    ]


def answer_times(model: Model, tokens: int) -> dict[str, float]:
    """Return the seconds of the engine's answer to each kind of request."""
    engine = asking(LocalEngine(model))
    return {
        type(request).__name__: timed(partial(engine, request), model.device)
        for request in every_request(model, tokens)
    }


def peak_memory(device: torch.device, ballast: list[int]) -> dict[str, float]:
    """Return the most bytes held so far, by device; of this process on a CPU, mapped files too.

    On a GPU what PyTorch has reserved, without the `ballast`, and what the driver needs besides.
    """
    if device.type != "cuda":
        return {"cpu": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    peaks = {}
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        besides = total - free - torch.cuda.memory_reserved(index)
        peak = torch.cuda.max_memory_reserved(index) + besides
        peaks[f"cuda:{index}"] = peak - (ballast[index] if ballast else 0)
    return peaks


def _loaded(options: argparse.Namespace) -> tuple[Model, float]:
    device = None if options.spread is not None else options.device
    began = time.perf_counter()
    model = ov.load_model(str(options.folder), device=device)
    wait(model.device)
    return model, time.perf_counter() - began


def _own(options: argparse.Namespace) -> list[str]:
    """Return the command that loads in a process of its own."""
    call = [sys.executable, "-m", "benchmarks.real", str(options.folder), "--load-only"]
    return [*call, "--device", options.device]


def _child(call: list[str]) -> float:
    ran = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - ours
    return float(ran.stdout.splitlines()[-1])


def _lines(measured: dict[str, Any]) -> list[str]:
    lines = [f"placed on {', '.join(measured['placed'])}"]
    for state, seconds in measured.get("load", {}).items():
        ratio = seconds["load"] / seconds["read"]
        lines.append(
            f"{state} page cache: bytes read in {seconds['read']:.2f} s, model loaded in "
            f"{seconds['load']:.2f} s, {ratio:.2f}x"
        )
    lines += [f"{name:20} {seconds:9.3f} s" for name, seconds in measured["seconds"].items()]
    for device, peak in measured["memory"].items():
        fits = "fits" if peak <= _CARD else "does not fit"
        lines.append(f"peak memory on {device}: {peak / 1e9:.2f} GB, {fits} a card of 24 GB")
    return lines


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--spread", type=float, metavar="GB", help="left free on each GPU")
    parser.add_argument("--load-only", action="store_true", help="print the seconds of the load")
    parser.add_argument("--json", type=Path, help="where the figures go")
    return parser


if __name__ == "__main__":
    main()
