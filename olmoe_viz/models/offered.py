"""The models that the application offers: the catalogue, and revisions that its operator lists.

`OLMOE_VIZ_MODELS` is a JSON list of objects, each with the `name` of a model of the catalogue, a
`revision` of it, and a `label` that visitors see. Streamlit puts a secret of that name into the
environment. A link can name these models and no others.
"""

import json
import logging
import os
from dataclasses import dataclass, replace
from functools import lru_cache

from olmoe_viz import json_form
from olmoe_viz.errors import ModelError
from olmoe_viz.models import catalogue
from olmoe_viz.models.catalogue import Entry

LISTED = "OLMOE_VIZ_MODELS"
_MOST = 100_000  # characters
_LONGEST_LABEL = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listed:
    """One line of the operator's list."""

    name: str
    revision: str
    label: str


def offered() -> tuple[Entry, ...]:
    """Return the catalogue's models and then the operator's; no name comes twice."""
    known = {entry.name: entry for entry in catalogue.CATALOGUE}
    for entry in _listed(os.environ.get(LISTED, "")):
        known.setdefault(entry.name, entry)
    return tuple(known.values())


@lru_cache(maxsize=8)
def _listed(text: str) -> tuple[Entry, ...]:
    """Read the operator's list; what is wrong with it is said once, in the log."""
    if not text.strip():
        return ()
    try:
        if len(text) > _MOST:
            raise ValueError(f"it has more than {_MOST:,} characters")
        lines = json_form.decode(tuple[Listed, ...], json.loads(text), "the list")
        return tuple(map(_entry, lines))
    except (ValueError, RecursionError, ModelError) as error:
        _log.error("%s is not used: %s", LISTED, error)
        return ()


def _entry(line: Listed) -> Entry:
    """Return the entry of a listed model; ModelError or ValueError where there can be none."""
    if not 0 < len(line.label) <= _LONGEST_LABEL or not line.label.isprintable():
        raise ValueError(f"a label must have 1 to {_LONGEST_LABEL} visible characters.")
    found = catalogue.find(catalogue.with_revision(line.name, line.revision))
    if found is None:
        raise ValueError(f"there is no model {line.name!r}.")
    return replace(found, label=line.label)
