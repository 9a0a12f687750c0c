"""Seconds to load and until the first token, for a process that has just started; as JSON."""

import argparse
import json
import time

import torch

from benchmarks.bench import Settings, load, prompt_of
from benchmarks.machine import wait
from benchmarks.prefill import first_of


def main() -> None:
    """Load a model, write a first token twice, print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--dtype")
    options = parser.parse_args()
    began = time.perf_counter()
    model = load(options.model, options.layers, torch.device(options.device), options.dtype)
    wait(model.device)
    loaded = time.perf_counter() - began
    ids = prompt_of(model, Settings().prompt)
    first, again = first_of(model, ids), first_of(model, ids)
    print(json.dumps({"load": loaded, "first": first, "again": again}))


if __name__ == "__main__":
    main()
