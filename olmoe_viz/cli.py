"""The library from a shell: `python -m olmoe_viz.cli trace PROMPT` and `... compare PROMPT`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import olmoe_viz as ov
from olmoe_viz.policy import WEIGHTINGS
from olmoe_viz.trace import Generation, Trace, display_token

NEXT_TOKENS_SHOWN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0, or 1 with a sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ov.ModelError, ov.DecodingError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m olmoe_viz.cli", description=ov.__doc__)
    commands = parser.add_subparsers(required=True)
    trace = commands.add_parser("trace", help="the experts of every token, and the next token")
    trace.set_defaults(run=_trace)
    trace.add_argument("--k", default="8", help="experts of each token (8)")
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
        command.add_argument("--weighting", choices=WEIGHTINGS, default="native")
    return parser


def _trace(options: argparse.Namespace) -> None:
    from olmoe_viz.engine.text import TokenBytes

    policy = ov.RoutingPolicy.parse(f"k={options.k},w={options.weighting}")
    model = ov.load_model(options.model)
    trace = ov.trace(model, options.prompt, policy)
    print(_trace_text(trace, TokenBytes(model.tokenizer).of))
    if options.save is not None:
        trace.save(options.save)


def _compare(options: argparse.Namespace) -> None:
    policies = [
        ov.RoutingPolicy.parse(f"k={k},w={options.weighting}") for k in options.k.split(",")
    ]
    model = ov.load_model(options.model)
    how = {"temperature": options.temperature, "seed": options.seed}
    try:
        runs = ov.compare(model, options.prompt, policies, options.tokens, **how)
    except ov.DecodingError as broken:
        print(_generations_text(broken.generations))
        raise
    print(_generations_text(runs))


def _trace_text(trace: Trace, bytes_of: Callable[[int], bytes]) -> str:
    """One line for each token: mean retained mass, and the strongest expert of each layer."""
    probabilities = ov.routing.probabilities(trace.router_logits)
    ks = trace.policy.ks(trace.geometry.layers)
    masses = [ov.routing.retained_mass(*layer) for layer in zip(probabilities, ks, strict=True)]
    strongest = ov.routing.ranking(probabilities)[..., 0].T
    lines = [
        f"{trace.provenance.model}, {trace.policy}",
        "    id  mass  strongest expert of layers 0, 1, ...",
    ]
    lines += [
        f"{token_id:6}  {mass:.2f}  {' '.join(f'{expert:2}' for expert in experts)}  {token}"
        for token_id, mass, experts, token in zip(
            trace.token_ids, np.mean(masses, axis=0), strongest, trace.tokens, strict=True
        )
    ]
    likely = list(zip(trace.next_ids.tolist(), trace.next_probabilities(), strict=True))
    lines.append("next token:")
    lines += [
        f"{token_id:6}  {probability:.3f}  {display_token(bytes_of(token_id))}"
        for token_id, probability in likely[:NEXT_TOKENS_SHOWN]
    ]
    return "\n".join(lines)


def _generations_text(runs: list[Generation]) -> str:
    return "\n\n".join(map(_generation_text, runs))


def _generation_text(run: Generation) -> str:
    policy, geometry = run.policy, run.geometry
    active = ov.costs.active_parameters(geometry, policy.ks(geometry.layers))
    # What a model writes may hold characters that steer a terminal.
    text = "\n".join(display_token(line.encode()) for line in run.text.split("\n"))
    return (
        f"{policy}  {run.seconds:.2f} s  {run.tokens_per_second:.1f} tokens/s  "
        f"{active / 1e6:,.1f} M active parameters\n{text}"
    )


if __name__ == "__main__":
    sys.exit(main())
