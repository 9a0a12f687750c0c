"""How fast the application opens where no model runs, and how much memory its server takes.

With nothing but the libraries of requirements-viewer.txt: from a request for the page, in a new
browser profile, until the map of the bundled run is drawn. The first visit is the one that imports
everything; the later ones find it imported. Run it as `python -m benchmarks.viewer`.
"""

import statistics
import tempfile
from pathlib import Path

import psutil

from tests.browser.server import browse
from tests.browser.viewer import process_of, seconds_to_map, serve_viewer

VISITS = 8


def cpu_seconds(process: psutil.Process) -> float:
    """Seconds of a core that a process has taken, whatever else the machine does."""
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    """Measure and print."""
    with (
        tempfile.TemporaryDirectory() as folder,
        browse() as browser,
        serve_viewer(Path(folder)) as address,
    ):
        server = process_of(address)
        started = cpu_seconds(server)
        first = seconds_to_map(browser, address)
        worked = cpu_seconds(server) - started
        later = [seconds_to_map(browser, address) for _ in range(VISITS)]
        held = server.memory_info().rss
    print(f"{psutil.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}")
    print(f"first visit: {first:.2f} s until the map is drawn; the server worked {worked:.2f} s")
    print(
        f"later visits: {statistics.median(later):.2f} s in the median, {max(later):.2f} s at most"
    )
    print(f"memory of the server after {VISITS + 1} visits: {held / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
