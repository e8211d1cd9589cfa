"""The snapshot directory (format 2): `manifest.json`, its signature, one `.npy` file per distinct array.

Beside the snapshot's own arrays lie its *sides*: arrays that serving does not open, such as the encoder's.

The manifest holds the tree of parts as JSON and the size and SHA-256 of every file. Reading verifies the signature,
then every file, and only then parses; arrays are opened with mmap. Nothing is ever unpickled, and only the classes
listed in `PARTS` are built.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from endcap.domain.ids import ItemKey
from endcap.errors import SnapshotRejected
from endcap.features import FeatureSet
from endcap.features.affinity import Affinity
from endcap.features.attention import Attention, Block
from endcap.features.context import Context
from endcap.features.following import Following, Sequel
from endcap.features.history import OwnPurchases, Touches
from endcap.features.items import ItemFacts, ItemStatistics
from endcap.features.journeys import Journey, Journeys
from endcap.features.links import Links
from endcap.features.looks import Closeness, Looks
from endcap.features.similarity import Similarity
from endcap.features.votes import Votes
from endcap.features.words import Lexicon, Words
from endcap.ranking.blend import Blend
from endcap.ranking.calibration import Calibration
from endcap.ranking.trees import Trees
from endcap.releases.keys import signed, verify
from endcap.releases.seal import SEALED
from endcap.retrieval.index import Index
from endcap.retrieval.journeys import Onward
from endcap.retrieval.neighbours import Neighbours
from endcap.retrieval.personal import Personal
from endcap.retrieval.popularity import CategoryPopularity, RegionPopularity, Shortlist
from endcap.retrieval.recent import Recent
from endcap.retrieval.search import Search
from endcap.retrieval.sessions import SessionConfig, SessionIndex, SessionNeighbours
from endcap.retrieval.suggestions import Suggestions
from endcap.retrieval.tables import Table
from endcap.retrieval.vocabulary import Strings, Vocabulary
from endcap.snapshot import Snapshot, row_digest
from endcap.state import Memory

FORMAT: Final = 4
"""Formats 1 to 3 held other features and trees than are computed now: they are not read, but trained anew."""
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
PARTS: Final[dict[str, Any]] = {
    part.__name__: part
    for part in (
        Affinity, Attention, Blend, Block, Calibration, CategoryPopularity, Closeness, Context,
        FeatureSet, Following, Index, ItemFacts, ItemStatistics, Journey, Journeys, Lexicon, Links, Looks, Memory,
        Neighbours, Onward, OwnPurchases, Personal, Recent, RegionPopularity, Search, Sequel, SessionConfig,
        SessionIndex, SessionNeighbours, Shortlist, Similarity, Snapshot, Strings, Suggestions, Table, Touches, Trees,
        Vocabulary, Votes, Words,
    )
}  # fmt: skip


def write_snapshot(
    snapshot: Snapshot,
    directory: Path,
    signing_key: bytes,
    sealed: bytes = b"",
    sides: Mapping[str, NDArray[Any]] | None = None,
) -> Snapshot:
    """Write `snapshot` into the new `directory`; the one given back has its version, a digest of what was learned.

    `sealed` says whose sessions it holds (`releases.seal`); it is signed too, and no part of what was learned. An array
    that is mapped from the file of another snapshot is not copied: its file is linked.
    """
    directory.mkdir(parents=True)
    names: dict[Path | int, str] = {}
    tree = _dismantled(replace(snapshot, version=""), directory, names)
    aside = _dismantled(sides or {}, directory, names)
    files = {path.name: _fingerprint(path) for path in sorted(directory.glob("*.npy"))}
    version = hashlib.sha256(json.dumps([FORMAT, tree, files], sort_keys=True).encode()).hexdigest()[:16]
    beside = {}
    if sealed:
        (directory / SEALED).write_bytes(sealed)
        beside = {SEALED: _fingerprint(directory / SEALED)}
    content = {"format": FORMAT, "version": version, "files": files, "beside": beside, "snapshot": tree, "sides": aside}
    manifest = json.dumps(content, indent=1).encode()
    (directory / MANIFEST).write_bytes(manifest)
    (directory / SIGNATURE).write_bytes(signed(signing_key, manifest))
    return replace(snapshot, version=version)


def read_snapshot(directory: Path, public_key: bytes, keys: Sequence[ItemKey]) -> Snapshot:
    """The snapshot of `directory`, if it is whole, signed by the owner of `public_key` and built on the rows of `keys`.

    Raises: SnapshotRejected with the reason.
    """
    manifest = _manifest(directory, public_key)
    try:
        for name, fingerprint in {**manifest["files"], **manifest.get("beside", {})}.items():
            _check_file(directory / name, fingerprint)
        version, snapshot = manifest["version"], _rebuilt(manifest["snapshot"], directory)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SnapshotRejected(
            f"snapshot {directory.name}: the manifest cannot be rebuilt here ({error!r}); train again"
        ) from None
    if not isinstance(snapshot, Snapshot):
        raise SnapshotRejected(f"snapshot {directory.name}: the manifest holds no snapshot; train again")
    if snapshot.rows > len(keys) or snapshot.row_digest != row_digest(keys[: snapshot.rows]):
        raise SnapshotRejected(
            f"snapshot {directory.name}: built on other row assignments than this shop's; train it on this shop's log"
        )
    if isinstance(snapshot.ranker, Trees):
        snapshot.ranker.checked()
    return replace(snapshot, version=version).checked()


def read_sides(directory: Path, public_key: bytes) -> dict[str, NDArray[Any]]:
    """The arrays beside the snapshot of `directory`, empty if a release wrote it that knew none.

    Raises: SnapshotRejected with the reason.
    """
    manifest = _manifest(directory, public_key)
    aside = manifest.get("sides", {"mapping": {}})
    for array in aside["mapping"].values():
        _check_file(directory / array["array"], manifest["files"][array["array"]])
    sides: dict[str, NDArray[Any]] = _rebuilt(aside, directory)
    return sides


def _manifest(directory: Path, public_key: bytes) -> dict[str, Any]:
    where = f"snapshot {directory.name}"
    try:
        text = (directory / MANIFEST).read_bytes()
        signature = (directory / SIGNATURE).read_bytes()
    except OSError as error:
        raise SnapshotRejected(f"{where}: {error.filename} cannot be read; publish the snapshot again") from None
    verify(public_key, signature, text, where)
    manifest: dict[str, Any] = json.loads(text)
    found = manifest.get("format")
    if found != FORMAT:
        remedy = "update Endcap" if isinstance(found, int) and found > FORMAT else "run `endcap train` again"
        raise SnapshotRejected(f"{where}: format {found}, this release reads {FORMAT}; {remedy}")
    return manifest


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _check_file(path: Path, fingerprint: Mapping[str, Any]) -> None:
    where = f"snapshot {path.parent.name}: {path.name}"
    if not path.is_file():
        raise SnapshotRejected(f"{where} is missing; publish the snapshot again")
    if _fingerprint(path) != fingerprint:
        raise SnapshotRejected(f"{where} is not the file that was signed (size or SHA-256 differ); publish it again")


def _dismantled(part: Any, directory: Path, names: dict[Path | int, str]) -> Any:
    """`part` as JSON; arrays go to files, equal array objects to one file, mapped ones to a link to theirs."""
    if isinstance(part, np.ndarray):
        mapped = _mapped(part)
        key = mapped or id(part)
        if key not in names:
            names[key] = f"{len(names):03d}.npy"
            if mapped:
                _link(mapped, directory / names[key])
            else:
                np.save(directory / names[key], np.ascontiguousarray(part), allow_pickle=False)
        return {"array": names[key]}
    if is_dataclass(part) and not isinstance(part, type):
        values = {each.name: _dismantled(getattr(part, each.name), directory, names) for each in fields(part)}
        return {"part": type(part).__name__, "fields": values}
    if isinstance(part, tuple | list):
        return [_dismantled(each, directory, names) for each in part]
    if isinstance(part, Mapping):
        return {"mapping": {key: _dismantled(value, directory, names) for key, value in part.items()}}
    return part


def _mapped(array: NDArray[Any]) -> Path | None:
    """The file that `array` is mapped from, whole."""
    base = array.base
    if isinstance(base, np.memmap) and base.filename and (base.shape, base.strides) == (array.shape, array.strides):
        return Path(base.filename)
    return None


def _link(file: Path, new: Path) -> None:
    try:
        new.hardlink_to(file)
    except OSError:  # a file system without links
        shutil.copyfile(file, new)


def _rebuilt(tree: Any, directory: Path) -> Any:
    """The inverse of `_dismantled`; sequences come back as tuples.

    Arrays are plain views of the mapped files: indexing a `memmap` costs microseconds each time.
    """
    if isinstance(tree, list):
        return tuple(_rebuilt(each, directory) for each in tree)
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        return np.asarray(np.load(directory / tree["array"], mmap_mode="r", allow_pickle=False))
    if "mapping" in tree:
        return {key: _rebuilt(value, directory) for key, value in tree["mapping"].items()}
    if tree.get("part") not in PARTS:
        raise SnapshotRejected(f"snapshot {directory.name}: part {tree.get('part')!r} is unknown here; update Endcap")
    values = {name: _rebuilt(value, directory) for name, value in tree["fields"].items()}
    return PARTS[tree["part"]](**values)
