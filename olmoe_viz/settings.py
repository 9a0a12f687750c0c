"""What the operator of a server sets: limits, models, who may do what, and where the engine is.

Read once from environment variables, `OLMOE_VIZ_` and the field's name in capitals; Streamlit puts
secrets of these names into the environment. A value that makes no sense is not used: the log says
so, and the default stays. docs/hosting.md has them all. Knows nothing about models and pages.
"""

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

PREFIX = "OLMOE_VIZ_"
EVERYONE = "everyone"
HERE, CHILD = "here", "child"
# As a bearer token is written (RFC 6750), long enough not to be guessed.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,200}=*")
_ENGINE = re.compile(r"here|child|https?://[^\s/?#@]+/?")
_PEOPLE = re.compile(r"everyone|nobody|[^\s,@]+@[^\s,@]+(\s*,\s*[^\s,@]+@[^\s,@]+)*")

_log = logging.getLogger(__name__)


def _number(default: int, least: int, most: int) -> Any:
    return field(default=default, metadata={"least": least, "most": most})


def _text(default: str, form: re.Pattern[str] | None = None, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"form": form, "secret": secret}, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """The settings of this process, each with its default.

    Limits of one request: `prompt_tokens`, `new_tokens` and `columns`, the rows that it writes
    side by side. Of all: `rows` written at once, `cache_mb` for their keys and values, `kept_mb`
    for answers that are kept, `line_length` requests waiting, `requests_per_minute` of a visitor.

    `rooms` of classes that guess together are held in this process; 0 where several serve.
    `idle_seconds` after its last request a large model is given back. `models` says which are
    offered: "" (the catalogue where there is a GPU, else the bundled model alone), "bundled",
    "catalogue", or a JSON list; `loaders` who may load a large one, and `visitors` who may see the
    pages after signing in: "everyone", "nobody", or e-mail addresses.

    `engine` is "here" (in the process of the pages), "child" (in one of its own), or the address
    of another machine's, to which `token` is shown. `runs` is a folder of recorded runs.
    """

    prompt_tokens: int = _number(4_096, 1, 8_192)
    new_tokens: int = _number(512, 1, 8_192)
    columns: int = _number(6, 2, 64)
    rows: int = _number(160, 1, 4_096)
    # Measured: a class of forty, 160 rows of 51 tokens of the bundled model, has 263 MB of keys and
    # values. With 192 its rows wait and cost a seventh more; with 512 nothing differs.
    cache_mb: int = _number(320, 1, 10**7)
    # Of the bundled model's longest prompts, forty routing traces or four full ones.
    kept_mb: int = _number(64, 0, 10**7)
    line_length: int = _number(256, 1, 100_000)
    requests_per_minute: int = _number(240, 1, 100_000)
    idle_seconds: int = _number(900, 1, 10**6)
    rooms: int = _number(40, 0, 1_000)
    models: str = _text("")
    loaders: str = _text(EVERYONE, _PEOPLE)
    visitors: str = _text(EVERYONE, _PEOPLE)
    engine: str = _text(HERE, _ENGINE)
    token: str = _text("", _TOKEN, secret=True)
    runs: str = _text("")


@cache
def current() -> Settings:
    """Return the settings of this process."""
    return read(os.environ)


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + name.upper()


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings that an environment names; what makes no sense in it is logged."""
    found: dict[str, Any] = {}
    for each in fields(Settings):
        written = environment.get(variable(each.name), "").strip()
        if not written:
            continue
        try:
            found[each.name] = _value(written, each.metadata)
        except ValueError as error:
            _log.error("%s is not used: %s.", variable(each.name), error)
    return Settings(**found)


def permits(people: str, email: str | None) -> bool:
    """Return whether a list of people, as in `loaders`, names somebody who signed in as `email`."""
    if people == EVERYONE:
        return True
    named = {each.strip().casefold() for each in people.split(",")}
    return email is not None and "@" in email and email.strip().casefold() in named


def _value(written: str, rule: Mapping[str, Any]) -> int | str:
    """Return a field's value; ValueError names the rule, never the value, which may be secret."""
    if "least" in rule:
        least, most = rule["least"], rule["most"]
        if not re.fullmatch("[0-9]{1,9}", written) or not least <= int(written) <= most:
            raise ValueError(f"it must be a whole number from {least:,} to {most:,}")
        return int(written)
    if rule["form"] is not None and not rule["form"].fullmatch(written):
        raise ValueError("it has another form than docs/hosting.md says")
    return written
