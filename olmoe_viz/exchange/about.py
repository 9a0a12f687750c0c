"""What a table of routes that this program exported says of its run, beside the rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from olmoe_viz import json_form
from olmoe_viz.analysis.run import Run
from olmoe_viz.records.provenance import Provenance

_KEY = "olmoe_viz"  # in the metadata of a Parquet file


@dataclass(frozen=True)
class About:
    """Where exported routes are from: model, policy in its text form, tokens and provenance."""

    model: str
    policy: str
    tokens: tuple[str, ...]
    token_ids: tuple[int, ...]
    provenance: Provenance


def metadata_of(run: Run) -> dict[str, str]:
    """Return the metadata of a Parquet file with the routes of a run."""
    ids = tuple(run.token_ids.tolist())
    about = About(run.model, str(run.policy), tuple(run.tokens), ids, run.provenance)
    return {_KEY: json.dumps(json_form.encode(about))}


def read(metadata: Mapping[bytes, bytes] | None) -> About | None:
    """Return what the metadata of a Parquet file says; None of another tool's or a damaged one."""
    try:
        found: About = json_form.decode(About, json.loads((metadata or {})[_KEY.encode()]))
    except (KeyError, ValueError, RecursionError):
        return None
    return found
