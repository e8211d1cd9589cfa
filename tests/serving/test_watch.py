"""A registry, key or policy that fails leaves what serves in place."""

import asyncio
from pathlib import Path

import pytest

from endcap.backends.registry.directory import DirectoryRegistry
from endcap.errors import InvalidSettings
from endcap.policy import DEFAULT_POLICY
from endcap.serving.meters import Meters
from endcap.serving.watch import PolicyFile, Watch
from endcap.snapshot import Snapshot


@pytest.mark.parametrize("error", [OSError(13, "Permission denied"), InvalidSettings("the key cannot be read")])
def test_a_snapshot_that_cannot_be_opened_is_rejected_and_the_watch_goes_on(error: Exception) -> None:
    def load(version: str) -> Snapshot:
        raise error

    watch = Watch(lambda: "v1", load, lambda each: each, Meters())
    asyncio.run(watch.look())
    assert watch.snapshot is None
    assert watch.because == "snapshot v1 was rejected; the server's log says why"


def test_a_label_that_cannot_be_read_is_logged_and_read_again() -> None:
    def current() -> str:
        raise OSError(13, "Permission denied")

    watch = Watch(current, pytest.fail, lambda each: each, Meters())
    asyncio.run(watch.look())
    assert watch.because.startswith("snapshot label was rejected")


def test_the_published_policy_is_the_text_that_was_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, read = tmp_path / "policy.toml", Path.read_text

    def then_changed(self: Path, *words: str, **named: str) -> str:
        text = read(self, *words, **named)
        if self == path:
            path.write_text("[placements")
        return text

    path.write_text(DEFAULT_POLICY)
    registry = DirectoryRegistry(tmp_path / "registry")
    monkeypatch.setattr(Path, "read_text", then_changed)
    policy = PolicyFile(path, registry, lambda: 0.0).current()
    assert (registry.fetch("policy", policy.version) / "policy.toml").read_bytes() == DEFAULT_POLICY.encode()
