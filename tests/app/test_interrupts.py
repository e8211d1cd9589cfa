"""Ctrl-C: one line and exit code 130, whatever a command is at; what it reads here is a pipe that says nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from endcap import app

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ENDCAP_")}


@pytest.mark.parametrize("words", ["import catalog {pipe} --shop {shop}", "audit {pipe} {pipe} --out {page}"])
def test_ctrl_c_ends_a_command_with_one_line_and_exit_code_130(tmp_path: Path, words: str) -> None:
    app.initialise(tmp_path / "shop", "EUR", "UTC")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    told = words.format(pipe=pipe, shop=tmp_path / "shop", page=tmp_path / "page.html").split()
    command = [sys.executable, "-m", "endcap", *told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as child:
        writer = pipe.open("w")  # waits until the command reads
        child.send_signal(signal.SIGINT)
        writer.close()
        printed, complained = child.communicate(timeout=60)
    assert (child.returncode, printed) == (130, "")
    assert complained.splitlines()[-1] == "endcap: interrupted"
    assert "Traceback" not in complained


def test_an_interrupt_within_a_text_that_is_executed_ends_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "hit.py").write_text(
        "from endcap import cli\n"
        "cli.app = lambda standalone_mode: exec('import signal; signal.raise_signal(signal.SIGINT)')\n"
        "cli.main()\n"
    )
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "hit"]
    ended = subprocess.run(
        command, env={**ENVIRONMENT, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "endcap: interrupted\n")
