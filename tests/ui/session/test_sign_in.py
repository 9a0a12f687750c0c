"""Whose address counts: that of somebody whom the provider signed in and vouches for."""

from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st

from olmoe_viz.ui.session import sign_in

ADDRESS = "pupil@school.org"


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ({"is_logged_in": True, "email": ADDRESS}, True),
        ({"is_logged_in": True, "email": ADDRESS, "email_verified": True}, True),
        ({"is_logged_in": True, "email": ADDRESS, "email_verified": False}, False),
        ({"is_logged_in": True, "email": ADDRESS, "email_verified": "true"}, False),
        ({"is_logged_in": False, "email": ADDRESS}, False),
        ({"is_logged_in": "yes", "email": ADDRESS}, False),
        ({"email": ADDRESS}, False),
        ({"is_logged_in": True, "email": [ADDRESS]}, False),
        ({"is_logged_in": True}, False),
        ({}, False),
    ],
)
def test_an_address_counts_when_the_provider_vouches_for_it(
    told: dict[str, Any], *, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(st, "user", SimpleNamespace(to_dict=lambda: told))
    assert sign_in.email() == (ADDRESS if counts else None)
