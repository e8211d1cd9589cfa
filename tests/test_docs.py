"""The documentation is tested: links lead somewhere, and every command line names commands and options that exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for page in sorted(ROOT.glob(pattern))
    if ".venv" not in page.parts
]
SHELLS = {"", "sh", "bash", "shell", "console"}
ELSEWHERE = ("http://", "https://", "mailto:")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and text of every fenced block."""
    for block in re.finditer(r"^ *(`{3,})(\w*)[^\n]*\n(.*?)^ *\1", text, re.MULTILINE | re.DOTALL):
        yield block[2], block[3]


def _prose(text: str) -> str:
    return re.sub(r"^ *(`{3,})\w*[^\n]*\n.*?^ *\1", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(text: str) -> set[str]:
    """The fragments that headings get: lower case, punctuation dropped, spaces as hyphens."""
    headings = re.findall(r"^#+ +(.+?) *$", _prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _dead_links(page: Path, text: str) -> list[str]:
    dead = []
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)", _prose(text)):
        if target.startswith(ELSEWHERE):
            continue
        name, _, fragment = target.partition("#")
        goal = (page.parent / name).resolve() if name else page
        if goal == page:
            alive = fragment in _anchors(text)
        elif goal.suffix == ".md" and goal.is_file():
            alive = not fragment or fragment in _anchors(goal.read_text(encoding="utf-8"))
        else:
            alive = goal.exists() and goal.is_relative_to(ROOT)
        if not alive:
            dead.append(target)
    return dead


@every_page
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert _dead_links(page, page.read_text(encoding="utf-8")) == []


def test_a_dead_link_is_seen() -> None:
    text = "# A b\n[x](LICENSE) [x](gone.md) [x](#a-b) [x](#c)\n```\n[x](in-a-block.md)\n```\n"
    assert _dead_links(ROOT / "README.md", text) == ["gone.md", "#c"]


def _command_lines(text: str, program: str) -> Iterator[list[str]]:
    """The words after `program` of every shell line that runs it, comments, pipes and redirections left out."""
    for language, block in _blocks(text):
        if language not in SHELLS:
            continue
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True) if _runs(line, program) else []
            if words:
                end = next((i for i, word in enumerate(words) if word in {"|", ">", ">>", "&&", "&", ";"}), len(words))
                yield words[1:end]


def _runs(line: str, program: str) -> bool:
    return re.match(rf"\s*(\$ )?(\.venv/bin/)?{program}(\s|$)", line) is not None


def _complaint(words: list[str], commands: dict[str, TyperGroup | TyperCommand]) -> str:
    """What the parser says against `endcap` + `words`, empty where nothing; values are not looked at."""
    name, rest = "", words
    while True:
        command = commands[name]
        parser = command.make_parser(command.context_class(command))
        given, rest, _ = parser.parse_args(rest)
        missing = [param.opts[0] for param in command.params if param.required and given.get(param.name or "") is None]
        if missing:
            return f"{name} lacks {missing}"
        if not isinstance(command, TyperGroup):
            return f"{name} takes no {rest}" if rest else ""
        if not rest:
            return ""
        name, rest = f"{name} {rest[0]}".strip(), rest[1:]
        if name not in commands:
            return f"there is no command {name}"


def _complaints(text: str, commands: dict[str, TyperGroup | TyperCommand]) -> list[str]:
    found = []
    for words in _command_lines(text, "endcap"):
        try:
            complaint = _complaint([word for word in words if word != "--help"], commands)
        except TyperException as error:
            complaint = str(error)
        if complaint:
            found.append(f"endcap {shlex.join(words)}: {complaint}")
    return found


@every_page
def test_every_command_line_names_commands_and_options_that_exist(
    page: Path, commands: dict[str, TyperGroup | TyperCommand]
) -> None:
    assert _complaints(page.read_text(encoding="utf-8"), commands) == []


def test_a_wrong_command_line_is_seen(commands: dict[str, TyperGroup | TyperCommand]) -> None:
    text = "```sh\nendcap recomend\nendcap init --colour red\nendcap init # fine\n```\n```python\nendcap nothing\n```\n"
    assert [line.split(":")[0] for line in _complaints(text, commands)] == [
        "endcap recomend",
        "endcap init --colour red",
    ]


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    lines = _command_lines(page.read_text(encoding="utf-8"), "make")
    assert {word for words in lines for word in words if re.fullmatch(r"[a-z-]+", word)} <= targets
