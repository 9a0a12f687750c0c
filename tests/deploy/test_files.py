"""What deploy/ and docs/hosting.md say is what there is."""

import re
from dataclasses import fields
from pathlib import Path

import yaml

from olmoe_viz.settings import Settings, variable

ROOT = Path(__file__).parents[2]
HOSTING = (ROOT / "docs" / "hosting.md").read_text("utf-8")


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(OLMOE_VIZ_\w+)` \| ?(\S*) \|", HOSTING, re.MULTILINE))
    defaults = {variable(each.name): str(each.default) for each in fields(Settings)}
    assert rows == defaults


def test_nothing_is_deployed_with_a_setting_that_is_none() -> None:
    known = {variable(each.name) for each in fields(Settings)} | {"OLMOE_VIZ_HOST"}
    for path in [ROOT / "Dockerfile", *(ROOT / "deploy").iterdir()]:
        if path.is_file():
            assert set(re.findall(r"OLMOE_VIZ_\w+", path.read_text("utf-8"))) <= known, path.name


def test_the_image_has_all_that_the_application_is_and_no_root() -> None:
    image = (ROOT / "Dockerfile").read_text("utf-8")
    steps = (ROOT / "deploy" / "image_steps.sh").read_text("utf-8")
    for part in ("app.py", "pages", "olmoe_viz", ".streamlit", "docs/lesson.md docs/stops.yaml"):
        assert re.search(rf"^COPY .*{re.escape(part)}", image, re.MULTILINE)
        assert part in steps
    assert image.index("USER olmoe") < image.index("CMD [")


def test_the_engine_of_compose_needs_a_token_and_pages_keep_their_visitors() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))["services"]
    assert "OLMOE_VIZ_TOKEN" in services["engine"]["environment"]
    assert not services["engine"].get("ports")
    assert all(services[each]["read_only"] for each in ("pages", "engine"))
    proxy = (ROOT / "deploy" / "Caddyfile").read_text("utf-8")
    assert "lb_policy cookie" in proxy
    # A name alone would be one upstream, whichever of its containers answered.
    assert "dynamic a pages 8501" in proxy
    ray = yaml.safe_load((ROOT / "deploy" / "ray.yaml").read_text("utf-8"))
    assert ray["http_options"]["host"] == "127.0.0.1"
    module, name = ray["applications"][0]["import_path"].split(":")
    assert f"{name} = " in (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
