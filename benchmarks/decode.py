"""How fast tokens are written and read, beside transformers' generate in the same run.

    python -m benchmarks.decode [--model NAME] [--device cpu] [--sections ks mixed] [--json FILE]

The model is one known by name, a folder, or `random:olmoe-1b-7b`: random weights in OLMoE's sizes,
made on the device. Every figure is the median of rounds in which all run in turn; the first round
is not counted. The peer is stock `generate`: on a GPU at its default and with a static cache and
torch.compile, on a CPU with its fastest experts implementation and number of threads. The limit is
the copy bandwidth measured in the same run over the bytes of the weights that one token needs.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import kernels, prefill, tables, writing
from benchmarks.bench import Bench, Settings, load
from olmoe_viz.models.catalogue import BUNDLED

SECTIONS: dict[str, Callable[[Bench], Any]] = {
    "ks": writing.by_k,
    "mixed": writing.mixed,
    "interventions": writing.intervened,
    "rows": writing.by_rows,
    "context": writing.by_context,
    "prefill": prefill.prefill,
    "kernels": kernels.kernels,  # on a GPU alone
}
FIRST = "first_token"  # in processes of its own, before this one takes memory of the device


def main(arguments: list[str] | None = None) -> None:
    """Run the sections, print their tables, and write the JSON file after each."""
    options = _options().parse_args(arguments)
    device = torch.device(options.device)
    measured: dict[str, Any] = {}
    sections = options.sections or [
        name for name in (*SECTIONS, FIRST) if name != "kernels" or device.type == "cuda"
    ]
    if FIRST in sections:
        place = (options.model, options.layers, options.device, options.dtype)
        measured[FIRST] = prefill.first_token(*place)
    bench = Bench(load(options.model, options.layers, device, options.dtype), _settings(options))
    measured |= bench.facts()
    for name in sections:
        if name != FIRST:
            measured[name] = SECTIONS[name](bench)
        print("\n".join(tables.section(name, measured)), end="\n\n", flush=True)
        if options.json is not None:
            options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def _settings(options: argparse.Namespace) -> Settings:
    rows = options.rows or [*Settings.rows, *([40] if options.device == "cpu" else [])]
    return Settings(
        tokens=options.tokens,
        rounds=options.rounds,
        prompt=options.prompt,
        ks=options.ks,
        mixed=options.mixed,
        rows=rows,
        contexts=options.contexts,
        prefill=options.prefill,
        compiled_ks=options.compiled_ks,
        compiled=options.compiled,
    )


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", default=BUNDLED)
    add("--layers", type=int, help="of a model with random weights")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--dtype", help="bfloat16, or float32 for a small model on a CPU, if left out")
    add("--sections", nargs="+", choices=[*SECTIONS, FIRST], help="all, if left out")
    add("--json", type=Path, help="where the figures go")
    add("--tokens", type=int, default=Settings.tokens)
    add("--rounds", type=int, default=Settings.rounds)
    add("--prompt", type=int, default=Settings.prompt, help="tokens")
    add("--prefill", type=int, default=Settings.prefill, help="tokens")
    several = partial(add, type=int, nargs="+")
    several("--ks", default=Settings.ks)
    several("--mixed", default=Settings.mixed, help="the ks of one batch")
    several("--rows", help="1 to 32, and 40 on a CPU, if left out")
    several("--contexts", default=Settings.contexts)
    several("--compiled-ks", default=Settings.compiled_ks, help="at which stock is compiled too")
    add("--compiled", nargs="*", default=Settings.compiled, help="experts implementations")
    return parser


if __name__ == "__main__":
    main()
