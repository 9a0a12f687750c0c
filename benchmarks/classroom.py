"""A class at the running application: everybody presses Generate at the same moment.

    python -m benchmarks.classroom [--visitors 40] [--tabs 2] [--engine here] [--runs 500]

Each visitor opens Compare with a prompt and a seed of their own and writes several columns. Most
are websockets that hear what a browser hears, a few are tabs of a real browser. Every text is
compared with its solo run. Beside it, on the same machine in the same minutes: one visitor alone,
the engine alone with the same rows in this process, and stock `generate` for some of the texts one
after another. Memory is the proportional set size of the server and its children.
"""

import argparse
import asyncio
import math
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlencode

import psutil
from playwright.sync_api import expect

import olmoe_viz as ov
from benchmarks.stock import Stock
from benchmarks.visitors import Heard, Visitor
from olmoe_viz.engine.compiling import wait_for_compiled
from olmoe_viz.engine.local import LocalEngine
from olmoe_viz.models.model import Model
from olmoe_viz.records.generation import Generation
from olmoe_viz.records.routed import experts_together
from olmoe_viz.requests import GenerateRequest
from olmoe_viz.ui.compare.marked_text import END
from tests.browser.server import browse, serve, settled

KS = (8, 16, 32, 64)
TOKENS = 40
_WARM = 3  # runs of one visitor until the engine has compiled its step
_KEPT_SESSION = 125  # seconds after which Streamlit lets go of a visitor who has left
_STOCK = 8  # texts that stock writes; the others would take minutes
_NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana", "Ivo", "Jo", "Kim", "Leo")
_THINGS = ("a red ball in", "a small dog near", "an old key under", "a blue box on")


@dataclass(frozen=True)
class Wish:
    """What one visitor writes."""

    number: int

    @property
    def prompt(self) -> str:
        """A prompt that no other visitor has."""
        name = _NAMES[self.number % len(_NAMES)]
        thing = _THINGS[self.number // len(_NAMES) % len(_THINGS)]
        return f"One day {name} found {thing} the"

    @property
    def query(self) -> dict[str, Any]:
        """The link of the page with it."""
        columns = "~".join(f"k={k}" for k in KS)
        settings = {"tokens": TOKENS, "temperature": 0.8, "seed": self.number + 1}
        return {"prompt": self.prompt, "columns": columns, **settings}

    def request(self, model: Model) -> GenerateRequest:
        """The request that the page makes of it."""
        policies = tuple(map(ov.RoutingPolicy, KS))
        return GenerateRequest(model.name, self.prompt, policies, TOKENS, 0.8, 1.0, self.number + 1)


def memory(process: psutil.Process) -> float:
    """Return the proportional set size of a process and its children, in bytes."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_full_info().pss
        except psutil.Error:  # it has just ended
            continue
    return total


async def all_at_once(visitors: Sequence[Visitor]) -> list[Heard]:
    """Let all press Generate together."""
    return list(await asyncio.gather(*(visitor.generate(len(KS)) for visitor in visitors)))


class Tabs:
    """Tabs of a real browser, which live on a thread of their own."""

    def __init__(self, address: str, wishes: Sequence[Wish]) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._address, self._wishes = address, wishes
        self._thread.submit(self._open).result()

    def _open(self) -> None:
        self._browsing = browse()
        browser = self._browsing.__enter__()
        self._pages = [browser.new_page() for _ in self._wishes]
        for page, wish in zip(self._pages, self._wishes, strict=True):
            page.goto(f"{self._address}/compare?{urlencode(wish.query)}")
            settled(page)

    def generate(self) -> Any:
        """Press Generate in every tab; returns what gives the texts of each."""
        return self._thread.submit(self._generate)

    def _generate(self) -> list[list[str]]:
        for page in self._pages:
            page.get_by_role("button", name="Generate", exact=True).click()
        found = []
        for page in self._pages:
            texts = page.locator("[class*=st-key-passage_] p[role=group]")
            expect(texts).to_have_count(len(KS), timeout=600_000)
            found.append([text.removesuffix(END) for text in texts.all_text_contents()])
        return found

    def close(self) -> None:
        """Close the browser."""
        self._thread.submit(self._browsing.__exit__, None, None, None).result()


def texts_alone(model: Model, wishes: Sequence[Wish]) -> dict[int, list[Generation]]:
    """Return the texts of each wish by its number, every row written alone."""
    found = {}
    for wish in wishes:
        rows = []
        for policy in wish.request(model).policies:
            (row,) = ov.compare(model, wish.prompt, [policy], TOKENS, 0.8, 1.0, wish.number + 1)
            rows.append(row)
        found[wish.number] = rows
    return found


def experts_read(texts: Mapping[int, Sequence[Generation]], at: int) -> float:
    """Return the mean number of a layer's experts that a step of all rows number `at` reads."""
    rows = [of_one[at].expert_ids for of_one in texts.values()]
    return float(experts_together(rows, next(iter(texts.values()))[at].geometry.experts).mean())


def engine_alone(model: Model, wishes: Sequence[Wish]) -> float:
    """Return tokens per second of all rows, asked of an engine in this process at once."""
    wait_for_compiled(model)
    engine = LocalEngine(model)
    began = time.perf_counter()
    tickets = [engine.submit(wish.request(model), str(wish.number)) for wish in wishes]
    rows: list[Any] = [row for ticket in tickets for row in ticket.result()]  # type: ignore[union-attr]
    return sum(len(row.token_ids) for row in rows) / (time.perf_counter() - began)


def stock_in_turn(model: Model, wishes: Sequence[Wish]) -> float:
    """Return tokens per second of stock `generate`, one text after the other, for some of them."""
    stock, seconds, tokens = Stock(model), 0.0, 0
    for number in range(_STOCK):
        wish, k = wishes[number * len(wishes) // _STOCK], KS[number % len(KS)]
        ids = model.tokenizer(wish.prompt)["input_ids"]
        stock.module.generation_config.eos_token_id = None
        run = stock.generate(ids, k, TOKENS, (None, 1))
        seconds, tokens = seconds + run.total, tokens + TOKENS
    return tokens / seconds


async def measure(
    options: argparse.Namespace, address: str, server: psutil.Process
) -> dict[str, Any]:
    """Run the class; return what was heard and the figures."""
    found: dict[str, Any] = {}
    one = Visitor(address, Wish(999).query)
    await one.open()
    for number in range(_WARM):
        warm = Visitor(address, Wish(1000 + number).query)
        await warm.open()
        await warm.generate(len(KS))
        await warm.close()
        await asyncio.sleep(3)  # the compiler needs it
    found["alone"] = await one.generate(len(KS))
    await one.close()
    found["memory_start"] = memory(server)
    wishes = [Wish(number) for number in range(options.visitors)]
    visitors = [Visitor(address, wish.query) for wish in wishes[options.tabs :]]
    for visitor in visitors:
        await visitor.open()
    tabs = Tabs(address, wishes[: options.tabs]) if options.tabs else None
    found["memory_connected"] = memory(server)
    sizes: list[float] = []
    watching = asyncio.create_task(_watch(server, sizes))
    began = time.perf_counter()
    of_tabs = tabs.generate() if tabs else None
    found["heard"] = await all_at_once(visitors)
    if of_tabs is not None:
        found["tabs"] = await asyncio.wrap_future(of_tabs)
    found["seconds"] = max(map(_written, found["heard"]))
    found["until_all_ended"] = time.perf_counter() - began
    watching.cancel()
    found["memory_largest"], found["memory_class"] = max(sizes), memory(server)
    if options.runs:
        await more_runs(options.runs, address)
    found["memory_after"] = memory(server)
    if tabs:
        tabs.close()
    return found


async def more_runs(count: int, address: str) -> None:
    """Let others come, write and leave, ten at a time, each with texts that were not kept."""
    for first in range(0, count, 10):
        others = [Visitor(address, Wish(2000 + first + i).query) for i in range(10)]
        for visitor in others:
            await visitor.open()
        await all_at_once(others)
        for visitor in others:
            await visitor.close()
    await asyncio.sleep(_KEPT_SESSION)
    last = Visitor(address, Wish(999).query)
    await last.open()  # Streamlit looks for old sessions when another one comes
    await last.close()


async def _watch(server: psutil.Process, sizes: list[float]) -> None:
    while True:
        sizes.append(memory(server))
        await asyncio.sleep(0.5)


def main() -> None:
    """Run the class and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--visitors", type=int, default=40)
    parser.add_argument("--tabs", type=int, default=2, help="of them in a real browser")
    parser.add_argument("--engine", choices=("here", "child"), default="here")
    parser.add_argument("--runs", type=int, default=0, help="more runs before memory is looked at")
    options = parser.parse_args()
    os.environ["OLMOE_VIZ_ENGINE"] = options.engine
    os.environ["OLMOE_VIZ_REQUESTS_PER_MINUTE"] = "10000"
    with serve() as address:
        (server,) = psutil.Process().children()
        found = asyncio.run(measure(options, address, server))
    model = ov.load_model(device="cpu")
    wishes = [Wish(number) for number in range(options.visitors)]
    wait_for_compiled(model)
    alone = texts_alone(model, wishes)
    report(options, found, alone)
    of_engine, of_stock = engine_alone(model, wishes), stock_in_turn(model, wishes)
    speed = options.visitors * len(KS) * TOKENS / found["seconds"]
    print(f"tokens/s over all: {speed:.0f}")
    print(f"  the engine alone, the same rows: {of_engine:.0f}; share {speed / of_engine:.2f}")
    print(f"  stock generate in turn: {of_stock:.1f}; {speed / of_stock:.1f}x")
    read = (f"{experts_read(alone, at):.1f} at k = {k}" for at, k in enumerate(KS))
    print(f"experts of a layer that a step of all {options.visitors} reads: {', '.join(read)}")


def report(
    options: argparse.Namespace, found: dict[str, Any], alone: dict[int, list[Generation]]
) -> None:
    """Print what was heard."""
    heard: list[Heard] = found["heard"]
    shown = {
        number: [text.removesuffix(END) for text in each.texts.values()]
        for number, each in enumerate(heard, options.tabs)
    } | dict(enumerate(found.get("tabs", ())))
    wrong = [
        number for number, texts in shown.items() if texts != [row.text for row in alone[number]]
    ]
    said = [words for each in heard for words in each.said]
    one: Heard = found["alone"]
    firsts, ends = ([times(each) for each in heard] for times in (_first, _written))
    print(f"{options.visitors} visitors, {options.tabs} of them tabs; engine: {options.engine}")
    print(f"with a wrong or a lost text: {wrong or 'none'}; errors said: {said or 'none'}")
    print(
        f"one alone: first token {_first(one):.2f} s, texts {_written(one):.2f} s, page still "
        f"{one.ended:.2f} s, {one.received / 1000:.0f} kB, {one.draws} drawings"
    )
    print(
        f"first token: median {median(firsts):.2f} s, last {max(firsts):.2f} s, "
        f"{max(firsts) / _written(one):.1f} times one visitor's whole run"
    )
    print(
        f"texts: median {median(ends):.2f} s, last {max(ends):.2f} s; "
        f"all pages still after {found['until_all_ended']:.1f} s"
    )
    print(
        f"sent to each: median {median(each.received for each in heard) / 1000:.0f} kB in "
        f"{median(each.draws for each in heard):.0f} drawings"
    )
    stages = {
        "after one visitor": "start",
        "all connected": "connected",
        "largest while they write": "largest",
        "all connected, with their texts": "class",
        f"the same after {options.runs} more runs": "after",
    }
    for said, name in stages.items():
        print(f"memory, {said}: {found[f'memory_{name}'] / 1e6:.0f} MB")
    grown = found["memory_after"] / found["memory_class"] - 1
    print(f"  the runs left {grown:+.1%}; Linux counts what processes share once")


def _first(heard: Heard) -> float:
    return math.inf if heard.first is None else heard.first


def _written(heard: Heard) -> float:
    return math.inf if heard.written is None else heard.written


if __name__ == "__main__":
    main()
