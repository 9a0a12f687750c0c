"""Provenance: where numbers are from."""

from dataclasses import replace

import pytest

from olmoe_viz.records.provenance import Provenance


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"created": "yesterday"}, "ISO 8601"),
        ({"created": "2026-01-02T03:04:05"}, "UTC"),
        ({"created": "2026-01-02T03:04:05+02:00"}, "UTC"),
        ({"created": None}, "ISO 8601"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"model": "x" * 1001}, "1,000 characters"),
        ({"runner": None}, "text"),
        ({"digest": "\ud800"}, "surrogate"),
        ({"versions": {"torch": 2}}, "text"),
    ],
)
def test_a_provenance_that_says_nothing_is_refused(
    provenance: Provenance, change: dict, sentence: str
):
    with pytest.raises(ValueError, match=sentence):
        replace(provenance, **change)


def test_versions_are_a_copy(provenance: Provenance):
    versions = {"torch": "2"}
    kept = replace(provenance, versions=versions)
    versions["torch"] = "3"
    assert kept.versions == {"torch": "2"}
