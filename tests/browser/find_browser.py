"""Print the path of a Chromium or Chrome that starts, getting one first when there is none.

In this order: an installed one; Debian's package, where packages may be installed; Playwright's own
download. Uses the standard library alone, so that it runs before anything else works.
"""

import os
import shutil
import subprocess
import sys

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
MAC_PATH = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
PLAYWRIGHT_PATH = (
    "from playwright.sync_api import sync_playwright\n"
    "with sync_playwright() as playwright: print(playwright.chromium.executable_path)"
)


def find_browser() -> str:
    """Return the path of a browser that starts; SystemExit with one line when there is none."""
    for source in (installed, from_debian, from_playwright):
        if path := source():
            return path
    sys.exit("No browser for the browser tests: install Chromium or Chrome and run this again.")


def installed() -> str | None:
    """Return the first browser of this machine that starts."""
    paths = [path for name in NAMES if (path := shutil.which(name))]
    return next((path for path in [*paths, MAC_PATH] if starts(path)), None)


def from_debian() -> str | None:
    """Install Debian's package as root or with a sudo that asks for no password."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (sudo and not runs(["sudo", "-n", "true"])):
        return None
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    runs([*apt, "update"])
    runs([*apt, "install", "--yes", "--no-install-recommends", "chromium"])
    return installed()


def from_playwright() -> str | None:
    """Download the browser that belongs to the installed Playwright."""
    runs([sys.executable, "-m", "playwright", "install", "chromium"])
    asked = subprocess.run(
        [sys.executable, "-c", PLAYWRIGHT_PATH], capture_output=True, text=True, check=False
    )
    path = asked.stdout.strip()
    return path if path and starts(path) else None


def starts(path: str) -> bool:
    """Tell whether the browser runs: a package may be a stub, a download may lack a library."""
    try:
        asked = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def runs(command: list[str]) -> bool:
    """Run a command with its output on stderr, where it does not mix with the path."""
    try:
        return subprocess.run(command, stdout=sys.stderr, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    print(find_browser())
