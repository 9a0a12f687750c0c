"""The library from a shell: `python -m olmoe_viz.cli trace PROMPT` and `... compare PROMPT`."""

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

import olmoe_viz as ov
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.routed import experts_used
from olmoe_viz.records.tokens import display_token
from olmoe_viz.records.trace import Trace

NEXT_TOKENS_SHOWN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, or 1 with a sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ov.ModelError, ov.EngineError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m olmoe_viz.cli", description=ov.__doc__)
    commands = parser.add_subparsers(required=True)
    trace = commands.add_parser("trace", help="the experts of every token, and the next token")
    trace.set_defaults(run=_trace)
    trace.add_argument("--k", default="8", help="experts of each token, as 8 or 8-8-16 (8)")
    trace.add_argument("--save", type=Path, help="also write the trace to this file")
    compare = commands.add_parser("compare", help="the text that each k generates")
    compare.set_defaults(run=_compare)
    compare.add_argument("--k", default="8,16,32,64", help="one or more (8,16,32,64)")
    compare.add_argument("--tokens", type=int, default=80, help="tokens to generate (80)")
    compare.add_argument("--temperature", type=float, default=0.0, help="0 is greedy (0)")
    compare.add_argument("--seed", type=int, default=0, help="of the sampling (0)")
    for command in (trace, compare):
        command.add_argument("prompt")
        command.add_argument(
            "--model", default="olmoe-nano", help="a name or a folder (olmoe-nano)"
        )
        command.add_argument(
            "--threshold", help="of these keep the experts with at least this router probability"
        )
        command.add_argument("--weighting", choices=WEIGHTINGS, default="native")
    return parser


def _trace(options: argparse.Namespace) -> None:
    policy = _policy(options, options.k)
    model = ov.load_model(options.model)
    trace = ov.trace(model, options.prompt, policy)
    print(_trace_text(trace))
    if options.save is not None:
        trace.save(options.save)


def _compare(options: argparse.Namespace) -> None:
    policies = [_policy(options, k) for k in options.k.split(",")]
    model = ov.load_model(options.model)
    how = {"temperature": options.temperature, "seed": options.seed}
    try:
        runs = ov.compare(model, options.prompt, policies, options.tokens, **how)
    except ov.GenerationError as broken:
        print(_generations_text(broken.generations))
        raise
    print(_generations_text(runs))


def _policy(options: argparse.Namespace, k: str) -> ov.RoutingPolicy:
    threshold = [] if options.threshold is None else [f"p>={options.threshold}"]
    return ov.RoutingPolicy.parse(",".join([f"k={k}", *threshold, f"w={options.weighting}"]))


def _trace_text(trace: Trace) -> str:
    """One line for each token: mean retained mass, and the strongest expert of each layer."""
    probabilities = ov.routing.probabilities(trace.router_logits)
    masses = ov.routing.mass(probabilities, trace.expert_ids).mean(axis=0)
    strongest = trace.expert_ids[..., 0].T
    first_layers = ", ".join(map(str, trace.geometry.layer_ids[:2]))
    lines = [
        f"{trace.provenance.model}, {trace.policy}",
        f"    id  mass  strongest expert of layers {first_layers}, ...",
    ]
    lines += [
        f"{token_id:6}  {mass:.2f}  {' '.join(f'{expert:2}' for expert in experts)}  {token}"
        for token_id, mass, experts, token in zip(
            trace.token_ids, masses, strongest, trace.tokens, strict=True
        )
    ]
    lines.append("next token:")
    likely = zip(trace.next_ids, trace.next_probabilities(), trace.next_tokens, strict=True)
    lines += [
        f"{token_id:6}  {probability:.3f}  {token}"
        for token_id, probability, token in islice(likely, NEXT_TOKENS_SHOWN)
    ]
    return "\n".join(lines)


def _generations_text(runs: Sequence[Generation]) -> str:
    return "\n\n".join(map(_generation_text, runs))


def _generation_text(run: Generation) -> str:
    # Of prompt and text together: with a threshold their numbers of experts differ by token.
    ran = np.concatenate([run.prompt_expert_ids, run.expert_ids], axis=1)
    active = ov.costs.active_parameters(run.geometry, experts_used(ran).tolist())
    # What a model writes may hold characters that steer a terminal.
    text = "\n".join(display_token(line.encode()) for line in run.text.split("\n"))
    return (
        f"{run.policy}  {run.seconds:.2f} s  {run.tokens_per_second:.1f} tokens/s  "
        f"{active / 1e6:,.1f} M active parameters\n{text}"
    )


if __name__ == "__main__":
    # A thread that waits for its neighbor sleeps instead of spinning, which keeps decoding from
    # becoming 20 times slower on a busy machine. OpenMP reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.exit(main())
