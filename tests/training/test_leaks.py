"""What training and evaluation must not know: the future. Each test is also run with a planted leak, and sees it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from endcap.domain.instants import DAY
from endcap.domain.people import Link
from endcap.pipeline import rank
from endcap.policy import Policy
from endcap.releases import new_signing_key, write_snapshot
from endcap.snapshot import Snapshot
from endcap.training import Corpus, Shop, cases, learn, train_layers
from endcap.training.history import read_history
from endcap.training.replay import Examples, collect, next_baskets, next_items
from shops import START, aisles

SPLIT = START + 25 * DAY
WINDOW = START + 20 * DAY
INSTANT = START + 30 * DAY


class Leaking(Shop):
    """A shop that takes in a day too much: the leak that the tests below must see."""

    def advance(self, at: int) -> None:
        """As the real one, a day later."""
        super().advance(at + DAY)


def replaced_after(corpus: Corpus, instant: int, seed: int) -> Corpus:
    """`corpus` with every event on or after `instant` replaced by one of a random item, kind and shopper."""
    table = corpus.interactions
    after = table["time"].to_numpy() >= instant
    generator = np.random.Generator(np.random.Philox(seed))
    columns = {name: table[name].to_numpy(zero_copy_only=False).copy() for name in ("row", "kind", "quantity")}
    columns["row"][after] = generator.integers(0, len(corpus.keys), after.sum())
    columns["kind"][after] = generator.choice([1, 7], after.sum())
    shoppers = table["shopper"].to_pylist()
    known = sorted(set(shoppers))
    turned = [known[generator.integers(len(known))] if late else key for key, late in zip(shoppers, after, strict=True)]
    for name, column in {**columns, "shopper": turned}.items():
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(column, field.type))
    return replace(corpus, interactions=table)


def examples(corpus: Corpus, snapshot: Snapshot, policy: Policy, shop: type[Shop], protocol: str) -> Examples:
    history = read_history(corpus.interactions, corpus.groups())
    if protocol == "time-split":
        replayed = next_items(history, shop(corpus, history), WINDOW, None)
    else:
        replayed = next_baskets(history, shop(corpus, history), WINDOW)
    return collect(replayed, snapshot, policy, 1_000)


def before(found: Examples, instant: int) -> set[bytes]:
    """The feature bytes of every example made before `instant`."""
    return {found.features[index].tobytes() for index in np.flatnonzero(found.at < instant)}


@pytest.mark.parametrize("seed", [1, 2])
def test_events_after_an_instant_change_no_example_before_it(
    corpus: Corpus, snapshot: Snapshot, policy: Policy, seed: int
) -> None:
    other = replaced_after(corpus, INSTANT, seed)
    first = before(examples(corpus, snapshot, policy, Shop, "time-split"), INSTANT - DAY)
    second = before(examples(other, snapshot, policy, Shop, "time-split"), INSTANT - DAY)
    assert len(first) > 1_000
    assert first == second


def test_a_planted_leak_changes_examples(corpus: Corpus, snapshot: Snapshot, policy: Policy) -> None:
    other = replaced_after(corpus, INSTANT, 1)
    first = before(examples(corpus, snapshot, policy, Leaking, "time-split"), INSTANT - 1)
    assert first != before(examples(other, snapshot, policy, Leaking, "time-split"), INSTANT - 1)


def lists(corpus: Corpus, snapshot: Snapshot, policy: Policy, shop: type[Shop]) -> dict[str, bytes]:
    history = read_history(corpus.interactions, corpus.groups())
    ranked = {}
    for case in next_baskets(history, shop(corpus, history), SPLIT):
        ranking = rank(case.request, case.state, snapshot, policy)
        ranked[case.id] = ranking.rows.tobytes() + ranking.scores.tobytes()
    return ranked


def other_targets(corpus: Corpus) -> Corpus:
    """`corpus` with every item after the split turned into another; who comes, and when, stays."""
    row = corpus.interactions["row"].to_numpy().copy()
    after = corpus.interactions["time"].to_numpy() >= SPLIT
    row[after] = (row[after] + 31) % len(corpus.keys)
    place = corpus.interactions.schema.get_field_index("row")
    table = corpus.interactions.set_column(place, corpus.interactions.schema.field("row"), pa.array(row))
    return replace(corpus, interactions=table)


def test_other_target_baskets_change_neither_what_is_learned_nor_any_list(
    corpus: Corpus, policy: Policy, tmp_path: Path
) -> None:
    other, key = other_targets(corpus), new_signing_key()
    found = []
    for name, each in (("as it was", corpus), ("other targets", other)):
        hybrid = train_layers(each, SPLIT, "next-basket", lambda _: None).layers[-1].snapshot
        version = write_snapshot(hybrid, tmp_path / name, key).version
        found.append((version, lists(each, hybrid, policy, Shop)))
    assert len(found[0][1]) > 20
    assert found[0] == found[1]
    wanted = [[case.targets.tolist() for case in cases(each, SPLIT, "next-basket")] for each in (corpus, other)]
    assert wanted[0] != wanted[1]


def test_a_planted_leak_changes_lists(corpus: Corpus, snapshot: Snapshot, policy: Policy) -> None:
    assert lists(corpus, snapshot, policy, Leaking) != lists(other_targets(corpus), snapshot, policy, Leaking)


def linked(corpus: Corpus, since: int) -> Corpus:
    """`corpus` in which from `since` on every second shopper turns out to be the one before."""
    known = sorted(set(corpus.interactions["shopper"].to_pylist()))
    pairs = zip(known[::2], known[1::2], strict=False)
    links = tuple(
        Link(b"d%015d" % number, 0, visitor, user, since + number * 1_000)
        for number, (user, visitor) in enumerate(pairs)
    )
    return replace(corpus, links=links)


def replayed(corpus: Corpus, snapshot: Snapshot, policy: Policy, people_at: int) -> Examples:
    history = corpus.history(people_at=people_at)
    return collect(next_items(history, Shop(corpus, history), WINDOW, None), snapshot, policy, 1_000)


def test_links_from_a_window_s_begin_on_change_no_example_of_it(
    corpus: Corpus, snapshot: Snapshot, policy: Policy
) -> None:
    alone = before(replayed(corpus, snapshot, policy, WINDOW), INSTANT)
    assert before(replayed(linked(corpus, WINDOW), snapshot, policy, WINDOW), INSTANT) == alone
    assert before(replayed(linked(corpus, WINDOW - DAY), snapshot, policy, WINDOW), INSTANT) != alone
    assert before(replayed(linked(corpus, WINDOW), snapshot, policy, 2**62), INSTANT) != alone


def test_links_after_the_split_change_neither_what_is_learned_nor_any_case(corpus: Corpus, tmp_path: Path) -> None:
    key, found = new_signing_key(), []
    for name, each in (("no", corpus), ("later", linked(corpus, SPLIT)), ("known", linked(corpus, START))):
        hybrid = train_layers(each, SPLIT, "time-split", lambda _: None).layers[-1].snapshot
        version = write_snapshot(hybrid, tmp_path / name, key).version
        found.append((version, [(case.id, case.request.seed) for case in cases(each, SPLIT, "time-split")]))
    assert found[0] == found[1] != found[2]


def test_a_replay_of_several_windows_knows_the_people_of_each_window(corpus: Corpus, tmp_path: Path) -> None:
    """Links within the last window teach the sources, which are fitted after it, but no example."""
    found = [learn(each, None, "next-basket", lambda _: None) for each in (corpus, linked(corpus, START + 39 * DAY))]
    assert found[0].examples.features.tobytes() == found[1].examples.features.tobytes()
    assert len(found[0].sessions.keys) > len(found[1].sessions.keys)


def test_two_keys_learn_the_same_bytes(tmp_path: Path) -> None:
    key = new_signing_key()
    versions = {
        write_snapshot(
            train_layers(aisles(5, 80, secret), SPLIT, "time-split", lambda _: None).layers[-1].snapshot,
            tmp_path / secret.decode(), key,
        ).version
        for secret in (b"one", b"two")
    }  # fmt: skip
    assert len(versions) == 1
