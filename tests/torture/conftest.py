"""How much torture, from which seed, as `make torture-quick` and `make torture` say it."""

import secrets
from typing import Any

import pytest

from torture.run import Run


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("torture")
    group.addoption("--cycles", type=int, default=20, help="kill -9 cycles of the server")
    group.addoption("--requests", type=int, default=1_000, help="hostile requests")
    group.addoption("--seed", type=int, default=secrets.randbelow(10**6), help="of all that is random; it is printed")


@pytest.fixture(scope="session")
def run_of(request: pytest.FixtureRequest) -> Run:
    """What the command line asks for."""
    config = request.config
    plugins: Any = config.pluginmanager
    capture, terminal = plugins.get_plugin("capturemanager"), plugins.get_plugin("terminalreporter")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(line)

    return Run(config.getoption("--cycles"), config.getoption("--requests"), config.getoption("--seed"), say)
