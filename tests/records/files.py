"""Taking a record's file apart and joining it again, and how a file is refused."""

import hashlib
import json
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from olmoe_viz import Trace
from olmoe_viz.records.record import Record
from olmoe_viz.records.routed import RoutedRecord

Rewrite = Callable[..., Path]
SUM = re.compile(rb'(?<=\\"sha256\\": \\")[0-9a-f]{64}(?=\\")')
SUM_OF_NONE = b"0" * 64
same_path = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def kinds() -> list[type[Record]]:
    """Return every kind of record."""
    return [
        kind
        for base in (Record, RoutedRecord)
        for kind in base.__subclasses__()
        if kind is not RoutedRecord
    ]


def split(path: Path) -> tuple[dict, bytes]:
    """Return the header of a file, and what follows it."""
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    return json.loads(whole[8 : 8 + length]), whole[8 + length :]


def join(path: Path, header: object, data: bytes) -> Path:
    """Write a file; a checksum in its header is made right, as somebody with bad intent would."""
    text = SUM.sub(SUM_OF_NONE, json.dumps(header).encode(), count=1)
    whole = struct.pack("<Q", len(text)) + text + data
    digest = hashlib.sha256(whole).hexdigest().encode()
    path.write_bytes(whole.replace(b"0" * 64, digest, 1) if SUM.search(text) else whole)
    return path


def refused(path: Path, sentence: str = "", kind: type[Record] = Trace) -> None:
    name = f"{path.name} is not a readable {kind.kind}"
    with pytest.raises(ValueError, match=rf"^{name}: .*{sentence}.*\.$") as caught:
        kind.load(path)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
