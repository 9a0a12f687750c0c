"""What measuring effects costs, beside the run that they are of.

    python -m benchmarks.effects

Times the bundled model on this machine: the prefill of 30 tokens, a single-row step, the experts of
one cell with and without controls, and those of a whole token, beside the same ablations run one
after another. A figure is the least of several; other work on the machine shows.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

import olmoe_viz as ov
from olmoe_viz.engine.runner import runner_of
from olmoe_viz.engine.taps import Taps
from olmoe_viz.engine.threads import threads
from olmoe_viz.models.model import Model

TEXT = (
    "The little robot found a red ball in the garden and wanted to give it to the girl who lived "
    "next door to the old mill by the river, but she was not there that day."
)
TOKENS, TOKEN = 30, 29


def main() -> None:
    """Time everything, and print a table."""
    parser = argparse.ArgumentParser(description="Time the measurement of effects.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    model = ov.load_model("olmoe-nano", device="cpu")
    ids = model.tokenizer.backend_tokenizer.encode(TEXT).ids[:TOKENS]
    layers = model.geometry.layer_ids
    prefill = least(partial(ov.trace, model, ids), rounds)
    step = least(partial(single_step, model, ids), rounds)
    print(f"prefill of {len(ids)} tokens: {ms(prefill)}; single-row step: {ms(step)}")
    print(f"four steps and one prefill: {ms(4 * step + prefill)}")
    for layer in (layers[0], layers[len(layers) // 2], layers[-1]):
        for controls in (True, False):
            cell = partial(ov.effects, model, ids, [(layer, TOKEN)], controls=controls)
            seconds = least(cell, rounds)
            named = "with" if controls else "without"
            share = seconds / (4 * step + prefill)
            print(f"layer {layer}, 8 experts {named} controls: {ms(seconds)}, {share:.2f} of that")
    cells = [(layer, TOKEN) for layer in layers]
    whole = least(partial(ov.effects, model, ids, cells, controls=False), rounds)
    apart = least(partial(one_after_another, model, ids, layers), 1)
    print(f"all {len(layers)} x 8 of a token: {ms(whole)}; one after another: {ms(apart)}")
    print(f"{whole / apart:.3f} of the time")


def ms(seconds: float) -> str:
    """Write a time."""
    return f"{seconds * 1e3:.1f} ms"


def least(call: Callable[[], object], rounds: int) -> float:
    """Return the least seconds of several calls after one that is not counted."""
    call()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


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
