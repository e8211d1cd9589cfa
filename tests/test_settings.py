import re
from dataclasses import fields
from pathlib import Path

import pytest

from endcap.errors import InvalidSettings
from endcap.serving import Options
from endcap.settings import Settings, leaves, read_settings

ROOT = Path(__file__).resolve().parents[1]


def test_an_empty_file_gives_the_defaults() -> None:
    assert read_settings("", {}) == Settings()
    assert Settings().serving.host == "127.0.0.1"


def test_the_environment_wins_over_the_file() -> None:
    settings = read_settings("[serving]\ndeadline_ms = 50\nport = 9001", {"ENDCAP_SERVING__DEADLINE_MS": "80"})
    assert (settings.serving.deadline_ms, settings.serving.port) == (80, 9001)


def test_variables_without_a_section_are_no_settings() -> None:
    assert read_settings("", {"ENDCAP_SHOP": "/shop", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("toml", "environ", "message"),
    [
        (
            "[serving]\ndeadline = 5",
            {},
            "endcap.toml: there is no setting serving.deadline; did you mean serving.deadline_ms?",
        ),
        ("[srving]\n", {}, "endcap.toml: there is no setting srving; did you mean serving?"),
        (
            "",
            {"ENDCAP_SERVING__PROT": "1"},
            "ENDCAP_SERVING__PROT: there is no setting serving.prot; did you mean serving.port?",
        ),
        (
            "",
            {"ENDCAP_SERVING__DEADLINE_MS": "soon"},
            (
                "ENDCAP_SERVING__DEADLINE_MS: serving.deadline_ms is 'soon'; input should be a valid integer, "
                "unable to parse string as an integer (see docs/settings.md)"
            ),
        ),
        (
            '[shop]\ntimezone = "Berlin"',
            {},
            (
                "endcap.toml: shop.timezone is 'Berlin'; expected an IANA time zone such as Europe/Berlin "
                "(see docs/settings.md)"
            ),
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(toml: str, environ: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(toml, environ)
    assert str(caught.value) == message


def test_a_file_that_is_not_toml_says_the_line() -> None:
    with pytest.raises(InvalidSettings, match=r"endcap\.toml is not TOML: .*line 2"):
        read_settings("[serving]\nport 5\n", {})


def _written(value: object) -> str:
    """As TOML writes it, a text without its quotation marks."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_setting_has_its_line_in_the_documentation_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    lines = dict(re.findall(r"^\| `([a-z_.]+)` \| `([^`]*)` \|", text, re.MULTILINE))
    tree = Settings().model_dump()
    assert lines == {name: _written(tree[name.split(".")[0]][name.split(".")[1]]) for name in leaves()}


def test_every_setting_is_read_somewhere() -> None:
    code = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py") if path.name != "settings.py")
    options = {f"serving.{each.name}" for each in fields(Options)}  # taken over by name, read as options
    unread = []
    for name in leaves():
        section, leaf = name.split(".")
        reader = rf"_?options\.{leaf}\b" if name in options else rf"\b{section}\.{leaf}\b"
        if not re.search(reader, code):
            unread.append(name)
    assert unread == []
