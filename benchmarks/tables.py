"""Markdown tables of what `benchmarks.decode` has measured.

python -m benchmarks.tables FILE.json [FILE.json ...]
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Cells = Iterable[Iterable[object]]


def main(arguments: list[str] | None = None) -> None:
    """Print the tables of the files, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    for file in parser.parse_args(arguments).files:
        print("\n".join(render(json.loads(file.read_text("utf-8")))))


def render(measured: dict[str, Any]) -> list[str]:
    """Return the lines of one file: what was measured where, and a table for each section."""
    lines = head(measured)
    for name in SECTIONS:
        if name in measured:
            lines += ["", *section(name, measured)]
    return [*lines, ""]


def head(measured: dict[str, Any]) -> list[str]:
    """Return the machine, the model, the versions and the date, as a paragraph."""
    machine, model = measured["machine"], measured["model"]
    settings, bandwidth = measured["settings"], measured["bandwidth"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    line = (
        f"**{model['name']}** ({model['layers']} layers, {model['parameters'] / 1e6:,.0f} M "
        f"parameters, {model['dtype']}; pass: {model['runner']}) on {machine['device']}, "
        f"{machine['cores']} cores, {machine['date']} (UTC). {versions}. Other load of the machine "
        f"at the start: {machine['load']:.1f}. Copy bandwidth {bandwidth['copy'] / 1e9:,.1f} GB/s. "
        f"Prompt {settings['prompt']} tokens, {settings['tokens']} written, medians of "
        f"{settings['rounds']} rounds."
    )
    return [line]


def section(name: str, measured: dict[str, Any]) -> list[str]:
    """Return the title and the table of one section."""
    title, table = SECTIONS[name]
    return [f"### {title}", "", *table(measured[name])]


def _by_k(rows: Sequence[dict[str, Any]]) -> list[str]:
    cells = [
        (
            row["k"],
            _speed(row["stock"]),
            row["stock"]["way"],
            _speed(row["compiled"]) if row["compiled"] else row["compiled_not_run"],
            _speed(row["ours"]),
            f"{row['ours']['whole_tokens_per_second']:,.0f}",
            f"{row['limit']:,.0f}",
            f"{row['share']:.2f}",
            f"{row['ours']['tokens_per_second'] / row['stock']['tokens_per_second']:.1f}x",
        )
        for row in rows
    ]
    titles = "k", "generate", "how", "static cache + compile", "ours", "ours with prompt"
    return _table([*titles, "limit", "share of limit", "ours / generate"], cells)


def _mixed(values: dict[str, Any]) -> list[str]:
    cells = [
        ("one batch", f"{values['batch']['seconds']:.3f} s", ""),
        (
            f"the k = {max(values['ks'])} row alone",
            f"{values['alone']['seconds']:.3f} s",
            f"the batch's tokens take {values['against_alone']:.2f}x as long",
        ),
        (
            "calls of generate in turn",
            f"{values['stock_seconds']:.3f} s",
            f"the batch is {values['against_stock']:.1f}x as fast",
        ),
    ]
    return _table([f"k = {', '.join(map(str, values['ks']))}", "whole run", ""], cells)


def _intervened(values: dict[str, Any]) -> list[str]:
    ratios = ("1.00x", f"{values['ratio']:.2f}x")
    rows = zip(values["policies"], values["seconds"], ratios, strict=True)
    cells = [(f"`{policy}`", f"{seconds:.3f} s", ratio) for policy, seconds, ratio in rows]
    return _table(["one row", "its tokens but the first", "/ without"], cells)


def _by_rows(values: dict[str, Any]) -> list[str]:
    one = values["stock"]["tokens_per_second"]
    cells = [
        (
            row["rows"],
            _speed(row["ours"]),
            f"{row['experts_used']:.1f}",
            f"{row['share']:.2f}",
            f"{row['ours']['tokens_per_second'] / one:.1f}x",
        )
        for row in values["batches"]
    ]
    batch = values["stock_batch"]
    ours = "experts used a layer", "share of limit", "ours / one generate"
    line = (
        f"`generate` at k = {values['k']} ({values['way']}): one call {one:,.0f}, a batch of "
        f"{batch['rows']} alike rows {_speed(batch)} tokens/s. The limit is that of the experts "
        "that the rows use together."
    )
    return [*_table(["rows", "ours, all rows", *ours], cells), "", line]


def _by_context(rows: Sequence[dict[str, Any]]) -> list[str]:
    cells = [
        (
            row["context"],
            _speed(row["stock"]),
            _speed(row["ours"]),
            f"{row['share']:.2f}",
            f"{row['share_with_cache']:.2f}",
            _milliseconds(row["stock"]["first_token"]),
            _milliseconds(row["ours"]["first_token"]),
        )
        for row in rows
    ]
    shares = "share of limit", "counting the cache's bytes"
    firsts = "generate, first token", "ours, first token"
    return _table(["prompt", "generate", "ours", *shares, *firsts], cells)


def _prefill(values: dict[str, Any]) -> list[str]:
    names = {
        "stock": "stock forward, router logits, all logits",
        "stock, last logits": "the same, the last position's logits alone",
        "routing": "ours, all routing recorded",
        "full": 'ours, detail="full"',
    }
    stock = values["stock"]["device"]
    cells = [
        (
            name,
            _milliseconds(values[key]["device"]),
            f"{values[key]['device'] / stock:.2f}x",
            _milliseconds(values[key]["host"]) if values[key]["host"] else "",
        )
        for key, name in names.items()
    ]
    size, added = values["full_bytes"], values["full"]["device"] - values["routing"]["device"]
    line = f'The vectors of detail="full" are {size / 1e6:,.0f} MB; they add '
    line += f"{_milliseconds(added)}"
    if values["to_host"] is not None:
        line += f" ({size / added / 1e9:.1f} GB/s; page-locked copies reach "
        line += f"{values['to_host'] / 1e9:.1f})"
    titles = f"{values['tokens']:,} tokens", "until off the device", "/ stock", "validation, text"
    return [*_table(titles, cells), "", f"{line}."]


def _kernels(cases: Sequence[dict[str, Any]]) -> list[str]:
    cells = []
    for case in cases:
        ks, floors = case["ks"], case["floors"]
        rows = f"{len(ks)} x {ks[0]}" if len(set(ks)) == 1 else ", ".join(map(str, ks))
        times = (
            f"{1e6 * seconds:.1f} / {1e6 * floors[name]:.1f}"
            for name, seconds in case["seconds"].items()
        )
        cells.append((rows, case["experts_used"], *times))
    return _table(["rows x k", "experts used", *cases[0]["seconds"]], cells)


def _first_token(values: dict[str, Any]) -> list[str]:
    names = {"empty_cache": "empty Triton cache", "filled_cache": "filled Triton cache"}
    cells = [
        (name, *(f"{values[key][part]:.3f} s" for part in ("load", "first", "again")))
        for key, name in names.items()
    ]
    return _table(["fresh process", "load", "first token", "of a second text"], cells)


SECTIONS = {
    "ks": ("One row, tokens/s by k", _by_k),
    "mixed": ("Several ks in one batch", _mixed),
    "interventions": ("Interventions in every layer", _intervened),
    "rows": ("Rows of one batch, tokens/s", _by_rows),
    "context": ("One row at the trained k, tokens/s by length of the prompt", _by_context),
    "prefill": ("Reading a text", _prefill),
    "kernels": ("Each kernel alone, microseconds a layer / its bytes' at copy bandwidth", _kernels),
    "first_token": ("The first token of a fresh process", _first_token),
}


def _table(titles: Sequence[str], cells: Cells) -> list[str]:
    rows = [titles, ["---"] * len(titles), *cells]
    return [f"| {' | '.join(map(str, row))} |" for row in rows]


def _speed(values: dict[str, Any]) -> str:
    speed = values["tokens_per_second"]
    return f"{speed:,.0f}" if speed >= 100 else f"{speed:.1f}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.1f} ms"


if __name__ == "__main__":
    main()
