"""What measuring effects costs, beside the run that they are of.

    python -m benchmarks.effects

Times the bundled model on this machine: the prefill of 30 tokens, a single-row step, the experts of
one cell with and without controls, and those of a whole token, beside the same ablations run one
after another. All is run in turn, by the plain pass and compiled, and a figure is the least of
several rounds; other work on the machine shows, most of all where two threads share the work.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch

import olmoe_viz as ov
from olmoe_viz.engine import branches
from olmoe_viz.engine.compiling import compiled_to_branch
from olmoe_viz.engine.cpu_decoder import CpuKernels, Piece
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Taps
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.model import Model
from olmoe_viz.records.effects import SEEDS

TEXT = (
    "The little robot found a red ball in the garden and wanted to give it to the girl who lived "
    "next door to the old mill by the river, but she was not there that day."
)
TOKENS, TOKEN = 30, 29
CELL, WHOLE = 1.0, 0.1  # what is required, as shares
Call = Callable[[], object]


def main() -> None:
    """Time everything, and print a table."""
    parser = argparse.ArgumentParser(description="Time the measurement of effects.")
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    model = ov.load_model("olmoe-nano", device="cpu")
    kernels = compiled_to_branch(model).result()
    if kernels is None:
        parser.error("Branches are not compiled here: see the log.")
    ids = model.tokenizer.backend_tokenizer.encode(TEXT).ids[:TOKENS]
    layers = model.geometry.layer_ids
    some = (layers[0], layers[len(layers) // 2], layers[-2], layers[-1])
    cells = {
        f"layer {layer}, 8 experts {with_or_without(controls)}": partial(
            ov.effects, model, ids, [(layer, TOKEN)], controls=controls
        )
        for layer in some
        for controls in (True, False)
    }
    runs = {
        "prefill": partial(ov.trace, model, ids),
        "prefill, compiled": partial(prefill, model, kernels, ids),
        "step": partial(single_step, model, ids),
        "step, compiled": partial(compiled_step, model, kernels, ids),
    }
    every = runs | cells | {f"{name}, plain pass": plainly(call) for name, call in cells.items()}
    least = in_turn(every, rounds)
    for name in runs:
        print(f"{name}: {ms(least[name])}")
    allowed = {step: 4 * least[step] + least["prefill"] for step in ("step", "step, compiled")}
    for step, seconds in allowed.items():
        print(f"allowed: one prefill and four times {step!r}: {ms(seconds)}")
    print(f"shares of the one and of the other; required: {CELL}")
    for name, seconds in least.items():
        if name not in runs:
            shares = ", ".join(f"{seconds / each:.2f}" for each in allowed.values())
            print(f"{name}: {ms(seconds)}: {shares}")
    whole(model, ids, rounds)


def whole(model: Model, ids: list[int], rounds: int) -> None:
    """Print what all experts of a token take, and the same ablations one after another.

    Of the controls one after another the runs are counted, not made: each is a run as the others.
    """
    layers = model.geometry.layer_ids
    cells = [(layer, TOKEN) for layer in layers]
    runs = sum(8 for _ in cells)
    apart = in_turn({"apart": partial(one_after_another, model, ids, layers)}, 1)["apart"]
    for controls in (False, True):
        call = partial(ov.effects, model, ids, cells, controls=controls)
        seconds = in_turn({"all": call}, max(rounds // 2, 1))["all"]
        number = runs * (2 + SEEDS if controls else 1)
        other = apart / runs * number
        print(
            f"all {len(layers)} x 8 of a token {with_or_without(controls)}: {ms(seconds)}; one "
            f"after another, {number:,} runs: {ms(other)}: {seconds / other:.3f}; required: {WHOLE}"
        )


def with_or_without(controls: bool) -> str:
    """Say whether controls are measured."""
    return f"{'with' if controls else 'without'} controls"


def ms(seconds: float) -> str:
    """Write a time."""
    return f"{seconds * 1e3:,.1f} ms"


def in_turn(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Return the least seconds of each call; all are run in turn, after a round not counted."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - began)
    return {name: min(seconds[1:]) for name, seconds in taken.items()}


def plainly(call: Call) -> Call:
    """Return the call by the plain pass."""

    def plain() -> object:
        with without_kernels():
            return call()

    return plain


@contextmanager
def without_kernels() -> Iterator[None]:
    """Measure effects by the plain pass in this block."""
    before = branches.ready_to_branch
    branches.ready_to_branch = lambda _: None
    try:
        yield
    finally:
        branches.ready_to_branch = before


def prefill(model: Model, kernels: CpuKernels, ids: list[int]) -> None:
    """Read the text by the compiled pass, as the measurement does."""
    kernels.run(runner_of(model).open(1, len(ids)), [piece(ids, 0)], watched=True)


def compiled_step(model: Model, kernels: CpuKernels, ids: list[int]) -> None:
    """Run one token after the text, by the compiled pass."""
    kernels.run(runner_of(model).open(1, len(ids) + 1), [piece(ids[:1], len(ids))])


def piece(ids: list[int], start: int) -> Piece:
    """Return tokens of the one sequence."""
    return Piece(ov.RoutingPolicy(8), ids, 0, start, "prompt")


@torch.inference_mode()
def single_step(model: Model, ids: list[int]) -> None:
    """Run one token after the text, by the plain pass."""
    runner = runner_of(model)
    state, plan = runner.open(1, len(ids) + 1), runner.plan([ov.RoutingPolicy(8)])
    with threads(model, 1):
        hidden = runner.step(state, [ids[:1]], [0], [len(ids)], plan, Taps(1))
        runner.readout(hidden)


def one_after_another(model: Model, ids: list[int], layers: tuple[int, ...]) -> None:
    """Run the text without each expert of its last token, as anybody would with plain runs."""
    plain = ov.trace(model, ids)
    for layer in layers:
        for expert in plain.expert_ids[layer, TOKEN].tolist():
            gone = ov.Intervention("off", (layer,), (expert,), (TOKEN,))
            ov.trace(model, ids, ov.RoutingPolicy(8, interventions=(gone,)))


if __name__ == "__main__":
    main()
