"""The example of docs/evaluation.md is run as it stands, and scores to what the command says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"


def run(folder: Path, *words: str) -> str:
    ended = subprocess.run(
        [sys.executable, *words], cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_example_runs_and_scores_to_what_the_command_says(tmp_path: Path) -> None:
    example = PAGE.read_text(encoding="utf-8").partition("## An example")[2]
    blocks = re.findall(r"^```(python|sh)\n(.*?)^```", example, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks] == ["python", "sh", "python"]
    printed = [
        run(tmp_path, "-c", text) if language == "python" else run(tmp_path, "-m", *shlex.split(text))
        for language, text in blocks
    ]

    told = json.loads((tmp_path / "found.json").read_text())
    recall = told["layers"][-1]["metrics"]["recall@20"]
    assert "Layer ladder: next-item" in printed[1]
    assert printed[2] == f"recall@20 {recall:.6f} over {told['cases']} cases\n"
    assert 0.3 < recall < 1
