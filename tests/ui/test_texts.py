"""Words of the screen stand in Python: neither scripts nor HTML files of the parts have any."""

import re
from pathlib import Path

import olmoe_viz

PACKAGE = Path(olmoe_viz.__file__).parent
SENTENCE = re.compile(r"""["'`][A-Z][a-z]+,? [a-z]""")
SAID = re.compile(r"""(?:textContent = |"aria-label", )["'`][^"'`]*[a-z]{2}""")


def code(path: Path) -> str:
    return re.sub(r"(^|\s)//.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)


def test_scripts_say_nothing_of_their_own() -> None:
    scripts = {path: code(path) for path in PACKAGE.rglob("*.js")}
    assert len(scripts) > 15
    found = [
        (path.name, SENTENCE.findall(text) + SAID.findall(text)) for path, text in scripts.items()
    ]
    assert [each for each in found if each[1]] == []


def test_html_files_have_places_for_words_and_no_words() -> None:
    files = [*(PACKAGE / "ui").rglob("*.html"), *(PACKAGE / "figures").rglob("*.html")]
    assert files
    for path in files:
        page = re.sub("<(style|script).*?</\\1>", "", path.read_text("utf-8"), flags=re.DOTALL)
        said = re.findall(r'aria-(?:label|roledescription)="([^"]*)"', page)
        said += re.sub(r"<[^>]*>", "", page).split()
        assert [words for words in said if not re.fullmatch(r"\{\w+\}|⋯", words)] == [], path.name
