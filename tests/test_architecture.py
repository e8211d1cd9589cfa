"""The shape of the project: sizes, names, the tree, what the core may do, what is tracked, what can be set and run.

That every setting has a line in the documentation and a reader is checked beside the settings.
"""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.core import TyperCommand, TyperGroup

from endcap.settings import Settings

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "endcap"
SOURCES = sorted(SRC.rglob("*.py"))
MODULES = SOURCES + sorted((ROOT / "tests").rglob("*.py"))

CORE = {
    "domain", "state", "metrics", "expressions", "features", "retrieval", "ranking",
    "reranking", "slate", "snapshot", "policy", "pipeline", "experiments",
}  # fmt: skip
REFUSED_NAMES = {
    "data", "info", "obj", "manager", "helper", "handler", "service", "factory",
    "util", "utils", "common", "process", "handle", "misc",
}  # fmt: skip
CLOCKS = {
    "now", "utcnow", "today", "time_ns", "monotonic", "monotonic_ns", "perf_counter",
    "perf_counter_ns", "process_time", "localtime", "gmtime",
}  # fmt: skip
SELF_SEEDED = {"default_rng", "RandomState", "SeedSequence"}
PICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
ARRAY_FILES = {"load", "save", "savez", "savez_compressed", "read_array", "write_array"}
TRAINING_LIBRARIES = {"catboost", "duckdb", "implicit", "lightgbm", "matplotlib", "pandas", "polars", "sklearn"}

UNITS = (
    "ms",
    "s",
    "minutes",
    "hours",
    "days",
    "bytes",
    "rows",
    "items",
    "events",
    "requests",
    "threads",
    "percent",
    "per_s",
)
UNITLESS = {"port"}

MODULE_LINES = 400
FOLDER_MODULES = 16
FUNCTION_LINES = 60
PARAMETERS = 6


def _syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _at(path: Path, node: ast.expr | ast.stmt) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(_syntax(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _is_core(path: Path) -> bool:
    return path.relative_to(SRC).parts[0].removesuffix(".py") in CORE


def _top_level() -> set[str]:
    """Packages as `name/` and modules as `name.py` of src/endcap."""
    return {path.relative_to(SRC).parts[0] + ("/" if path.parent != SRC else "") for path in SOURCES} - {"__init__.py"}


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is no list of tracked files")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


# Sizes


def test_no_module_is_longer_than_400_lines() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}


def test_no_folder_holds_more_than_16_modules() -> None:
    folders: dict[str, int] = {}
    for path in MODULES:
        if path.name not in {"__init__.py", "conftest.py"}:
            folder = str(path.parent.relative_to(ROOT))
            folders[folder] = folders.get(folder, 0) + 1
    assert {folder: count for folder, count in folders.items() if count > FOLDER_MODULES} == {}


def test_the_tree_is_at_most_two_folders_deep_and_ports_alone_use_both() -> None:
    deep = [path for path in SOURCES if len(path.relative_to(SRC).parts) > 2]
    stray = [path for path in deep if path.relative_to(SRC).parts[0] != "backends"]
    assert [str(path) for path in stray] == []
    assert [str(path) for path in deep if len(path.relative_to(SRC).parts) > 3] == []


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{_at(path, function)} {function.name}"
        for path in MODULES
        for function in _functions(path)
        if (function.end_lineno or 0) - function.lineno >= FUNCTION_LINES
    ]
    assert long == []


def test_no_function_takes_more_than_6_parameters() -> None:
    """The linter asks for five and can be silenced; this cannot. Exempt: commands (options) and kernels (columns)."""
    many = []
    for path in SOURCES:
        for function in _functions(path):
            given = function.args
            names = [arg.arg for arg in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            if len([name for name in names if name not in {"self", "cls"}]) > PARAMETERS and not _exempt(function):
                many.append(f"{_at(path, function)} {function.name}")
    assert many == []


def _exempt(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(d.func if isinstance(d, ast.Call) else d).split(".")[-1] for d in function.decorator_list}
    return bool(names & {"command", "callback", "compiled", "njit"})


# Names


def _refused(name: str) -> bool:
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    return any(part.lower() in REFUSED_NAMES or part.lower().removesuffix("s") in REFUSED_NAMES for part in parts)


@pytest.mark.parametrize("name", ["utils", "feed_helpers", "DataLoader", "HTTPHandler", "process", "EventManagers"])
def test_a_refused_name_is_seen(name: str) -> None:
    assert _refused(name)


@pytest.mark.parametrize("name", ["database", "Informed", "Manage", "processed", "Shopper", "SQLiteLog"])
def test_a_name_that_only_resembles_a_refused_one_passes(name: str) -> None:
    assert not _refused(name)


def test_no_module_or_folder_has_a_refused_name() -> None:
    named = {part.removesuffix(".py") for path in MODULES for part in path.relative_to(ROOT).parts}
    assert {name for name in named if _refused(name)} == set()


def test_no_class_has_a_refused_name_and_no_function_is_called_by_one() -> None:
    refused = []
    for path in MODULES:
        classes = (node for node in ast.walk(_syntax(path)) if isinstance(node, ast.ClassDef))
        refused += [f"{_at(path, c)} {c.name}" for c in classes if _refused(c.name)]
        refused += [f"{_at(path, f)} {f.name}" for f in _functions(path) if f.name.strip("_") in REFUSED_NAMES]
    assert refused == []


# The tree


def _drawn_tree() -> set[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^src/endcap/.*?\n(.*?)(?=^\S|^```)", readme, re.MULTILINE | re.DOTALL)
    assert block, "README.md draws no tree with a line `src/endcap/`"
    drawn: set[str] = set()
    for line in block[1].splitlines():
        leading = re.match(r"\s+((?:\w+(?:/|\.py)\s+)+)", line + " ")
        drawn.update(leading[1].split() if leading else ())
    return drawn


def test_the_readme_draws_the_tree_as_it_is() -> None:
    assert _drawn_tree() == _top_level()


def test_the_import_contracts_cover_the_whole_core_and_guard_the_settings() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["type"]: contract for contract in pyproject["tool"]["importlinter"]["contracts"]}
    core = {f"endcap.{name.rstrip('/').removesuffix('.py')}" for name in _top_level()}
    core = {name for name in core if name.removeprefix("endcap.") in CORE}
    assert set(contracts["forbidden"]["source_modules"]) == core
    guarded = {"endcap.backends.*.*"} | ({"endcap.settings"} if "settings.py" in _top_level() else set())
    assert set(contracts["protected"]["protected_modules"]) == guarded


# What the core may not do


@pytest.mark.parametrize("path", [p for p in SOURCES if _is_core(p)], ids=lambda path: str(path.relative_to(SRC)))
def test_the_core_reads_no_clock_seeds_no_generator_and_opens_no_file(path: Path) -> None:
    found = []
    for node in ast.walk(_syntax(path)):
        if isinstance(node, ast.Attribute):
            seen = node.attr in CLOCKS | SELF_SEEDED or ast.unparse(node) == "time.time"
        elif isinstance(node, ast.ImportFrom):
            seen = node.module == "time"
        elif isinstance(node, ast.Import):
            seen = any(name.name == "time" for name in node.names)
        else:
            seen = isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}
        if seen:
            found.append(f"line {getattr(node, 'lineno', 0)}: {ast.unparse(node)}")
    assert found == []


def test_nothing_is_pickled() -> None:
    found = []
    for path in SOURCES:
        for node in ast.walk(_syntax(path)):
            if isinstance(node, ast.Import):
                imported = {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported = {(node.module or "").split(".")[0]}
            else:
                imported = set()
                if isinstance(node, ast.Call) and _may_pickle(node):
                    found.append(f"{_at(path, node)} {ast.unparse(node)}")
            found += [f"{path.relative_to(ROOT)} imports {name}" for name in imported & PICKLERS]
    assert found == []


def _may_pickle(call: ast.Call) -> bool:
    """NumPy's array files unpickle or pickle objects unless told not to."""
    allowed = {keyword.arg: keyword.value for keyword in call.keywords}.get("allow_pickle")
    if allowed is not None:
        return not (isinstance(allowed, ast.Constant) and allowed.value is False)
    name = ast.unparse(call.func)
    return name.startswith(("np.", "numpy.")) and name.split(".")[-1] in ARRAY_FILES


@pytest.mark.parametrize("module", ["endcap.serving", "endcap.app", "endcap.cli"])
def test_what_serves_imports_no_training_library(module: str) -> None:
    program = f"import json, sys, {module}; print(json.dumps(sorted({{n.split('.')[0] for n in sys.modules}})))"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert TRAINING_LIBRARIES & set(json.loads(answer)) == set()


# What is tracked


def _tracked_lines(pattern: str) -> list[str]:
    sought = re.compile(pattern)
    found = []
    for path in _tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        lines = enumerate(text.splitlines(), 1)
        found += [f"{path.relative_to(ROOT)}:{number} {line[:120]}" for number, line in lines if sought.search(line)]
    return found


def test_no_tracked_file_names_a_package_registry() -> None:
    assert _tracked_lines(r"\b(pypi|[\w-]*pythonhosted|npmjs|debian|maven|golang)[a-z0-9.-]*\.(org|com|dev)\b") == []


def test_no_tracked_file_holds_an_absolute_path_of_the_machine_it_was_built_on() -> None:
    assert _tracked_lines(r"(^|[^A-Za-z0-9_./-])/(work|root|Users)/") == []


# What can be set and what can be run


def _leaves(branch: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in branch.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


@pytest.fixture(scope="module")
def leaves() -> dict[str, FieldInfo]:
    return dict(_leaves(Settings))


def test_every_number_that_can_be_set_has_its_unit_in_its_name(leaves: dict[str, FieldInfo]) -> None:
    numbers = [name for name, field in leaves.items() if field.annotation in {int, float}]
    assert [
        n for n in numbers if not n.endswith(tuple(f"_{u}" for u in UNITS)) and n.split(".")[-1] not in UNITLESS
    ] == []


def test_every_setting_has_a_default(leaves: dict[str, FieldInfo]) -> None:
    assert [name for name, field in leaves.items() if field.is_required()] == []


def test_every_command_says_what_it_does(commands: dict[str, TyperGroup | TyperCommand]) -> None:
    assert [f"endcap {words}" for words, command in commands.items() if not command.help] == []


def test_every_command_is_documented(commands: dict[str, TyperGroup | TyperCommand]) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    leaves = [words for words, command in commands.items() if not isinstance(command, TyperGroup)]
    assert [words for words in leaves if not re.search(rf"\bendcap {words}\b", text)] == []
