"""The models that visitors of this server may load: no link and no request makes it load another.

The setting `models` says which. Without it they are the catalogue's where there is a GPU, else the
bundled model alone, which is always offered. As JSON it is a list of objects, each with a `label`
that visitors see and the `name` of a model of the catalogue, with a `revision` of it or without; or
with a `folder` that has a checkpoint, and a `name` that requests call it by.
"""

import json
import logging
import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from shutil import which

from olmoe_viz import json_form, settings
from olmoe_viz.errors import ModelError
from olmoe_viz.models import catalogue
from olmoe_viz.models.catalogue import BUNDLED, Entry

LISTED = settings.variable("models")
_MOST = 100_000  # characters
_LONGEST_LABEL = 60
_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listed:
    """One line of the operator's list."""

    name: str
    label: str
    revision: str | None = None
    folder: str | None = None


def offered() -> tuple[Entry, ...]:
    """Return the bundled model and those that the operator offers; no name comes twice."""
    text = settings.current().models.strip()
    if text == "catalogue" or (not text and gpu_here()):
        return catalogue.CATALOGUE
    known = {entry.name: entry for entry in catalogue.CATALOGUE if entry.name == BUNDLED}
    for entry in () if text in ("", "bundled") else _listed(text):
        known.setdefault(entry.name, entry)
    return tuple(known.values())


def find(name: str) -> Entry | None:
    """Return the offered model of that name, or None."""
    return next((entry for entry in offered() if entry.name == name), None)


@cache
def gpu_here() -> bool:
    """Return whether this machine has a driver of NVIDIA's; torch need not be there to say so."""
    return Path("/dev/nvidiactl").exists() or which("nvidia-smi") is not None


def _listed(text: str) -> tuple[Entry, ...]:
    """Return the models of the operator's list; a folder is left out until it can be read."""
    return tuple(entry for line in _lines(text) if (entry := _entry(line)) is not None)


@lru_cache(maxsize=8)
def _lines(text: str) -> tuple[Listed, ...]:
    """Read the operator's list; what is wrong with it is said once, in the log."""
    try:
        if len(text) > _MOST:
            raise ValueError(f"it has more than {_MOST:,} characters")
        lines: tuple[Listed, ...] = json_form.decode(
            tuple[Listed, ...], json.loads(text), "the list"
        )
        for line in lines:
            _check(line)
    except (ValueError, RecursionError, ModelError) as error:
        _log.error("%s is not used: %s", LISTED, error)
        return ()
    return lines


def _check(line: Listed) -> None:
    """Raise ValueError or ModelError for a line that can never name a model."""
    if not 0 < len(line.label) <= _LONGEST_LABEL or not line.label.isprintable():
        raise ValueError(f"a label must have 1 to {_LONGEST_LABEL} visible characters.")
    if line.folder is None:
        if _of_catalogue(line) is None:
            raise ValueError(f"there is no model {line.name!r}.")
        return
    if line.revision is not None or not _FOLDER_NAME.fullmatch(line.name):
        raise ValueError(
            f"a model in a folder has a name of letters, digits, _ and -, not {line.name!r}, "
            "and no revision."
        )
    if catalogue.find(line.name) is not None or not Path(line.folder).is_absolute():
        raise ValueError(f"{line.name} needs a name of its own and the whole path of its folder.")


def _entry(line: Listed) -> Entry | None:
    """Return the entry of a listed model; None while there is none in its folder."""
    if line.folder is not None:
        return _in_folder(line, Path(line.folder))
    found = _of_catalogue(line)
    return None if found is None else replace(found, label=line.label)


def _of_catalogue(line: Listed) -> Entry | None:
    return catalogue.find(catalogue.with_revision(line.name, line.revision))


def _in_folder(line: Listed, folder: Path) -> Entry | None:
    """Return the entry of a checkpoint in a folder; its sizes are those of its config.json."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        return Entry(
            name=line.name,
            hub_id=None,
            revision=None,
            description="A checkpoint of this server's operator.",
            context=int(config["max_position_embeddings"]),
            layers=int(config["num_hidden_layers"]),
            experts=int(config["num_experts"]),
            trained_k=int(config["num_experts_per_tok"]),
            chat=(folder / "chat_template.jinja").is_file(),
            label=line.label,
            folder=folder,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        _say_once(f"{LISTED}: {line.name} is left out until its folder has a config.json of OLMoE.")
        return None


@lru_cache(maxsize=64)
def _say_once(sentence: str) -> None:
    _log.error(sentence)
