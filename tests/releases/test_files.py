"""Snapshot directories: what is read is what was written, and anything else is refused with the reason."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endcap.domain.ids import ItemKey
from endcap.errors import SnapshotRejected
from endcap.pipeline import recommend
from endcap.policy import Policy
from endcap.ranking.trees import Trees
from endcap.releases import new_signing_key, public_key_of, read_sides, read_snapshot, write_snapshot
from endcap.releases.keys import signed
from endcap.snapshot import Snapshot
from endcap.training import Case, Corpus

KEY = new_signing_key()


@pytest.fixture
def directory(snapshot: Snapshot, tmp_path: Path) -> Path:
    write_snapshot(snapshot, tmp_path / "s", KEY)
    return tmp_path / "s"


def read(directory: Path, corpus: Corpus) -> Snapshot:
    return read_snapshot(directory, public_key_of(KEY), corpus.keys)


def test_a_snapshot_read_back_decides_bit_for_bit(
    directory: Path, corpus: Corpus, snapshot: Snapshot, states: list[Case], policy: Policy
) -> None:
    back = read(directory, corpus)
    for case in states[::20]:
        first, second = (recommend(case.request, case.state, each, policy) for each in (snapshot, back))
        assert first.slate == second.slate
        assert first.evidence.features.tobytes() == second.evidence.features.tobytes()


def test_equal_snapshots_have_equal_versions_and_files(snapshot: Snapshot, tmp_path: Path) -> None:
    first, second = (write_snapshot(snapshot, tmp_path / name, KEY) for name in ("a", "b"))
    assert first.version == second.version
    assert len(first.version) == 16
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_arrays_are_mapped_not_copied(directory: Path, corpus: Corpus) -> None:
    assert isinstance(read(directory, corpus).alike.base, np.memmap)


def test_more_rows_than_the_snapshot_knows_are_fine(directory: Path, corpus: Corpus) -> None:
    keys = (*corpus.keys, ItemKey("item", "new"))
    assert read_snapshot(directory, public_key_of(KEY), keys).rows == len(corpus.keys)


def test_arrays_mapped_from_another_snapshot_are_linked_and_the_others_written(
    directory: Path, corpus: Corpus, tmp_path: Path
) -> None:
    parent = read(directory, corpus)
    child = replace(parent, parent="p", alike=np.array(parent.alike))
    write_snapshot(child, tmp_path / "child", KEY, sides=read_sides(directory, public_key_of(KEY)))
    before = {path.stat().st_ino for path in directory.glob("*.npy")}
    after = [path.stat().st_ino for path in (tmp_path / "child").glob("*.npy")]
    assert len(set(after) - before) == 1
    assert len(after) == len(set(after))
    assert read(tmp_path / "child", corpus).parent == "p"


def test_sides_are_kept_beside_a_snapshot_and_verified(snapshot: Snapshot, tmp_path: Path) -> None:
    write_snapshot(snapshot, tmp_path / "s", KEY, sides={"encoder.idf": np.arange(3.0)})
    sides = read_sides(tmp_path / "s", public_key_of(KEY))
    assert sides["encoder.idf"].tolist() == [0.0, 1.0, 2.0]
    last = max((tmp_path / "s").glob("*.npy"))
    last.write_bytes(last.read_bytes()[:-1] + b"x")
    with pytest.raises(SnapshotRejected, match="is not the file that was signed"):
        read_sides(tmp_path / "s", public_key_of(KEY))


def test_a_snapshot_of_a_release_without_sides_has_none(directory: Path) -> None:
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sides"], manifest["snapshot"]["fields"]["parent"]
    path.write_text(json.dumps(manifest))
    _resign(directory, KEY)
    assert read_sides(directory, public_key_of(KEY)) == {}


def _flip(directory: Path) -> None:
    path = sorted(directory.glob("*.npy"))[3]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _flip_manifest(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"rows": 60', b'"rows": 61'))


def _resign(directory: Path, key: bytes) -> None:
    (directory / "manifest.sig").write_bytes(signed(key, (directory / "manifest.json").read_bytes()))


def _of_format(directory: Path, number: int) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": number}))
    _resign(directory, KEY)


def _foreign_part(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text().replace('"part": "Trees"', '"part": "Shell"'))
    _resign(directory, KEY)


def _foreign_field(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text().replace('"row_digest"', '"line_digest"'))
    _resign(directory, KEY)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_flip, r"003\.npy is not the file that was signed \(size or SHA-256 differ\); publish it again"),
        (_flip_manifest, "the manifest's signature does not belong to this shop's key"),
        (lambda directory: (directory / "002.npy").unlink(), r"002\.npy is missing; publish the snapshot again"),
        (lambda directory: (directory / "manifest.sig").unlink(), r"manifest\.sig cannot be read"),
        (lambda directory: _resign(directory, new_signing_key()), "signature does not belong to this shop's key"),
        (lambda directory: _of_format(directory, 9), "format 9, this release reads 4; update Endcap"),
        (lambda directory: _of_format(directory, 1), "format 1, this release reads 4; run `endcap train` again"),
        (_foreign_part, "part 'Shell' is unknown here; update Endcap"),
        (_foreign_field, "the manifest cannot be rebuilt here .*line_digest.*; train again"),
    ],
)
def test_a_damaged_snapshot_is_refused_with_the_reason(
    directory: Path, corpus: Corpus, damage: Callable[[Path], object], reason: str
) -> None:
    damage(directory)
    with pytest.raises(SnapshotRejected, match=reason):
        read(directory, corpus)


def test_a_foreign_row_map_is_refused(directory: Path, corpus: Corpus) -> None:
    keys = (corpus.keys[1], corpus.keys[0], *corpus.keys[2:])
    for other in (keys, corpus.keys[:-1]):
        with pytest.raises(SnapshotRejected, match="built on other row assignments than this shop's"):
            read_snapshot(directory, public_key_of(KEY), other)


def test_trees_of_nan_are_refused(snapshot: Snapshot, corpus: Corpus, tmp_path: Path) -> None:
    assert isinstance(snapshot.ranker, Trees)
    broken = replace(snapshot, ranker=replace(snapshot.ranker, leaves=np.full_like(snapshot.ranker.leaves, np.nan)))
    write_snapshot(broken, tmp_path / "s", KEY)
    with pytest.raises(SnapshotRejected, match="trees: a leaf or border is not a finite number; train again"):
        read(tmp_path / "s", corpus)


def test_a_ranker_of_other_features_is_refused(snapshot: Snapshot, corpus: Corpus, tmp_path: Path) -> None:
    families = snapshot.features.families[:-1]
    write_snapshot(replace(snapshot, features=replace(snapshot.features, families=families)), tmp_path / "s", KEY)
    with pytest.raises(SnapshotRejected, match=r"the ranker knows other features .*; train again"):
        read(tmp_path / "s", corpus)
