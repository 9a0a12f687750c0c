"""The long form: one row for each expert of each token in each layer, as Parquet or CSV.

The columns are `token` (its place, from 0), `layer` (counted over all blocks, from 0), `rank` (1 is
the strongest), `expert`, and what is known of `logit`, `probability` (softmax over all experts),
`weight` (what the expert's output was multiplied by) and `effect` (what taking it away changes, in
nats; empty where it was not measured). A file of another tool needs `token`, `layer` and `expert`;
without `rank` the rows of a cell count in their order. Further columns are left out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from olmoe_viz.exchange import about
from olmoe_viz.exchange.about import About
from olmoe_viz.exchange.routes import EFFECT, MAX_EXPERT, MAX_ROUTES, VALUES, Routes, check_sizes
from olmoe_viz.numerics.geometry import MAX_LAYERS
from olmoe_viz.records.record import MAX_TOKENS

MAX_BYTES = 2**30
_PLACES = ("token", "layer", "rank", "expert")
_LIMITS = {
    "token": MAX_TOKENS - 1,
    "layer": MAX_LAYERS - 1,
    "rank": MAX_EXPERT + 1,
    "expert": MAX_EXPERT,
}
Columns = Mapping[str, NDArray[Any]]


def table(routes: Routes, metadata: Mapping[str, str] | None = None) -> pa.Table:
    """Return the long form; `metadata` is that of a Parquet file."""
    place, layer, rank = np.nonzero(np.moveaxis(routes.expert_ids, 1, 0) >= 0)
    chosen = layer, place, rank
    columns: dict[str, Any] = {
        "token": place.astype(np.int32),
        "layer": np.array(routes.layer_ids, np.int32)[layer],
        "rank": rank.astype(np.int32) + 1,
        "expert": routes.expert_ids[chosen].astype(np.int32),
    }
    for name in VALUES:
        if (values := getattr(routes, name)) is not None:
            columns[name] = values[chosen]
    if EFFECT in columns:
        columns[EFFECT] = pa.array(columns[EFFECT], from_pandas=True)  # empty where not measured
    return pa.table(columns).replace_schema_metadata(dict(metadata) if metadata else None)


def write(path: Path, kind: str, written: pa.Table) -> None:
    """Write a table as ".parquet" or ".csv"; OSError from the file system."""
    if kind == ".parquet":
        pa.parquet.write_table(written, path)
    else:
        pa.csv.write_csv(written, path)


def read(path: Path) -> Routes:
    """Read the long form; ValueError in a sentence for a file that is none, OSError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES // 2**30} GiB")
        return routes(_columns(path))
    except (ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else "it is damaged"
        raise ValueError(f"{path.name} is not a readable table of routes: {reason}.") from None


def read_about(path: Path) -> About | None:
    """Return where the routes of a file are from, if this program exported them as Parquet."""
    if path.suffix != ".parquet":
        return None
    try:
        return about.read(pa.parquet.read_metadata(path).metadata)
    except (OSError, pa.ArrowException):
        return None


def routes(columns: Columns) -> Routes:
    """Return what rows of the long form say; ValueError with the rest of a sentence."""
    places = {name: _whole(name, columns[name]) for name in _PLACES if name in columns}
    token, layer = places["token"], places["layer"]
    if not len(token):
        raise ValueError("it has no rows")
    layer_ids, row = np.unique(layer, return_inverse=True)
    order = np.lexsort((places.get("rank", np.arange(len(token))), token, row))
    column = _count_up(row[order], token[order])
    shape = (len(layer_ids), int(token.max()) + 1, int(column.max()) + 1)
    check_sizes(shape)
    cell = row[order], token[order], column
    ids = np.full(shape, -1, np.int16)
    ids[cell] = places["expert"][order]
    found: dict[str, NDArray[np.float64]] = {}
    for name in VALUES:
        if name in columns:
            found[name] = np.full(shape, np.nan)
            found[name][cell] = columns[name].astype(np.float64)[order]
    return Routes(tuple(layer_ids.tolist()), ids, **found)


def _count_up(row: NDArray[np.int64], token: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each entry among those of its cell, from 0; cells are together."""
    count = np.arange(len(row))
    begins = np.ones(len(row), dtype=bool)
    begins[1:] = (row[1:] != row[:-1]) | (token[1:] != token[:-1])
    return np.asarray(count - np.maximum.accumulate(np.where(begins, count, 0)))


def _whole(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    whole = values.dtype.kind in "iu"
    if not whole or (values.size and not 0 <= values.min() <= values.max() <= _LIMITS[name]):
        raise ValueError(f"{name} is not a whole number from 0 to {_LIMITS[name]} in every row")
    return values.astype(np.int64)


def _columns(path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns that are known, as numbers."""
    known = [*_PLACES, *VALUES]
    if path.suffix == ".parquet":
        if pa.parquet.read_metadata(path).num_rows > MAX_ROUTES:  # a small file may hold many
            raise ValueError(f"it has more than {MAX_ROUTES:,} rows")
        names = pa.parquet.read_schema(path).names
        rows = pa.parquet.read_table(path, columns=[name for name in known if name in names])
    else:
        rows = pa.csv.read_csv(path)
    missing = [name for name in ("token", "layer", "expert") if name not in rows.column_names]
    if missing:
        raise ValueError(f"it has no column named {' or '.join(missing)}")
    found = {name: rows[name] for name in known if name in rows.column_names}
    for name, column in found.items():
        if (column.null_count and name != EFFECT) or not (
            pa.types.is_integer(column.type) or _floating(name, column)
        ):
            raise ValueError(f"{name} is not a number in every row")
    return {name: column.to_numpy() for name, column in found.items()}


def _floating(name: str, column: Any) -> bool:
    return name in VALUES and pa.types.is_floating(column.type)
