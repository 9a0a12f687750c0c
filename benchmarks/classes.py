"""How long students wait at N replicas: a simulation of a lecture, beside the closed form.

Every student presses Generate once, at a time of their own within the first minute, for `rows`
texts of `tokens` tokens. A replica writes at most `places` rows at once, all at one rate whose sum
is its throughput; the rest stands in line, first come, first served. Time goes in steps of a tenth
of a second; nothing here computes with a model.
"""

import argparse
from dataclasses import dataclass

import numpy as np

STEP = 0.1  # seconds


@dataclass(frozen=True)
class Load:
    """What students ask for, and what a replica gives: `throughput` in tokens/s of all its rows."""

    students: int
    replicas: int
    throughput: float
    window: float = 60.0  # seconds in which all of them press
    rows: int = 4
    tokens: int = 40
    places: int = 160

    @property
    def work(self) -> float:
        """Tokens of one student."""
        return float(self.rows * self.tokens)


@dataclass(frozen=True)
class Waits:
    """Seconds from the press to the first token and to the last, over all students."""

    first_median: float
    first_worst: float
    last_median: float
    last_worst: float


def closed_form(load: Load) -> Waits:
    """Return the waits of a fluid: work comes evenly for a while, and is done at full speed.

    The line grows while more comes than is done; who presses at a share u of the window finds u
    times the excess before them. Of a full batch half is done in the mean: a student begins half
    of its time before that work ends, and is done half of it after. The last of all is done when
    all work is. Below capacity nobody waits.
    """
    speed = load.replicas * load.throughput
    excess = max(load.students * load.work / speed - load.window, 0.0)
    batch = load.places / load.rows * load.work / load.throughput
    alone = load.work / load.throughput
    if not excess:
        return Waits(0.0, 0.0, alone, alone)
    return Waits(
        max(excess / 2 - batch / 2, 0.0),
        max(excess - batch, 0.0),
        excess / 2 + min(batch, excess) / 2,
        max(excess, alone),
    )


def simulate(load: Load, seed: int = 0) -> Waits:
    """Return the waits of one lecture, with random times of the presses."""
    presses = np.sort(np.random.default_rng(seed).uniform(0, load.window, load.students))
    first, last = np.empty(load.students), np.empty(load.students)
    # Students are dealt out in turn: with equal work that is the shortest line.
    for replica in range(load.replicas):
        mine = np.arange(replica, load.students, load.replicas)
        first[mine], last[mine] = _one(presses[mine], load)
    waits = first - presses, last - presses
    return Waits(*(float(f(each)) for each in waits for f in (np.median, np.max)))


def _one(presses: np.ndarray, load: Load) -> tuple[np.ndarray, np.ndarray]:
    """Return when each student of one replica gets the first token and the last.

    All at work get the same share, so each ends when the share of everybody together, counted from
    the start of the lecture, has grown by that student's work.
    """
    places, count = max(load.places // load.rows, 1), len(presses)
    began, ended = np.full(count, np.inf), np.full(count, np.inf)
    targets = np.full(count, np.inf)
    now, share, next_in, oldest = 0.0, 0.0, 0, 0
    while oldest < count:
        while next_in < count and next_in - oldest < places and presses[next_in] <= now:
            began[next_in], targets[next_in] = now, share + load.work
            next_in += 1
        at_work = next_in - oldest
        if not at_work:
            now = presses[next_in]
            continue
        share += STEP * load.throughput / at_work
        now += STEP
        while oldest < next_in and targets[oldest] <= share:
            ended[oldest] = now
            oldest += 1
    return began + STEP, ended


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--throughput", type=float, required=True, help="tokens/s of a replica")
    parser.add_argument("--students", type=int, nargs="+", default=[40, 1_000, 100_000])
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 4, 16, 64])
    asked = parser.parse_args()
    print("| students | replicas | first token, median / worst | last, median / worst | formula |")
    print("|---|---|---|---|---|")
    for students in asked.students:
        for replicas in asked.replicas:
            load = Load(students, replicas, asked.throughput)
            found, formula = simulate(load), closed_form(load)
            print(
                f"| {students:,} | {replicas} | {found.first_median:,.1f} / "
                f"{found.first_worst:,.1f} s | {found.last_median:,.1f} / "
                f"{found.last_worst:,.1f} s | {formula.last_median:,.1f} / "
                f"{formula.last_worst:,.1f} s |"
            )


if __name__ == "__main__":
    main()
