"""What an operator sets: how it is read, and that a mistake neither counts nor stops a server."""

import logging
from dataclasses import fields

import pytest

from olmoe_viz.settings import Settings, permits, read, variable


def test_without_a_variable_every_setting_has_its_default() -> None:
    assert read({"HOME": "/root", "OLMOE_VIZ_OTHER": "1"}) == Settings()


def test_every_setting_has_a_variable_that_is_read() -> None:
    texts = {
        "models": "bundled",
        "loaders": "a@b.org, c@d.org",
        "visitors": "nobody",
        "engine": "http://10.0.0.2:8600",
        "token": "t" * 32,
        "runs": "/srv/runs",
    }
    found = read({variable(each.name): texts.get(each.name, "7") for each in fields(Settings)})
    numbers = {each.name: 7 for each in fields(Settings)}
    assert vars(found) == numbers | texts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt_tokens", "0"),
        ("prompt_tokens", "1e3"),
        ("new_tokens", "-1"),
        ("columns", "9" * 5_000),
        ("rows", "٣"),
        ("engine", "ftp://host"),
        ("engine", "http://host/../etc"),
        ("engine", "http://user@host"),
        ("loaders", "somebody"),
        ("visitors", "a@b.org; rm"),
        ("token", "short"),
        ("token", "with a space and long enough"),
    ],
)
def test_what_makes_no_sense_is_not_used_and_never_repeated(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert read({variable(name): value}) == Settings()
    assert f"{variable(name)} is not used" in caplog.text
    assert len(value) < 5 or value not in caplog.text


def test_a_token_is_not_in_what_settings_print() -> None:
    assert "secret" not in repr(Settings(token="secret-secret-secret"))  # noqa: S106 - of a test


def test_a_list_of_people_names_addresses() -> None:
    assert permits("everyone", None)
    assert not permits("nobody", "a@b.org")
    assert not permits("nobody", "nobody")
    assert permits("a@b.org, c@d.org", "C@D.org ")
    assert not permits("a@b.org", None)
    assert not permits("a@b.org", "x@b.org")
