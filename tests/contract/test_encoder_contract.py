"""What every encoder keeps to; an adapter is one line in ADAPTERS."""

from collections.abc import Callable

import numpy as np
import pytest

from endcap.backends.encoder import Encoder
from endcap.backends.encoder.lexical import fit_lexical, lexical_of
from endcap.backends.encoder.queries import lexical_queries

TEXTS = [
    "Red ceramic mug", "Blue ceramic mug", "Ceramic bowl, blue", "Steel garden spade", "Steel garden fork",
    "Garden hose", "Rote Tasse", "Blaue Tassen", "日本語の本", "日本語の辞書", "Красная кружка", "Красные кружки",
    "",
]  # fmt: skip
ADAPTERS: dict[str, Callable[[], Encoder]] = {
    "lexical": lambda: fit_lexical(TEXTS, 8),
    "lexical, from its arrays": lambda: lexical_of(fit_lexical(TEXTS, 8).arrays()),
    "lexical, for queries": lambda: lexical_queries(fit_lexical(TEXTS, 8).arrays()),
}


@pytest.fixture(params=list(ADAPTERS))
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return ADAPTERS[request.param]()


def test_vectors_are_float32_rows_of_length_one_or_zero(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    lengths = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(lengths[:-1], 1, atol=1e-5)
    assert lengths[-1] == 0


def test_an_encoder_of_the_same_arrays_is_the_same() -> None:
    first, second, third = (make().encode([*TEXTS, "0.5 l U-lock", "a b c", "🎿"]) for make in ADAPTERS.values())
    assert first.tobytes() == second.tobytes()
    np.testing.assert_allclose(third, first, atol=1e-6)


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_equal_texts_give_equal_vectors_whatever_stands_beside_them(encoder: Encoder) -> None:
    together = encoder.encode([*TEXTS, *TEXTS[::-1]])
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.array_equal(together[: len(TEXTS)], alone)
    assert np.array_equal(together[len(TEXTS) :][::-1], alone)


def test_related_texts_lie_closer_than_unrelated_ones(encoder: Encoder) -> None:
    like = encoder.encode(TEXTS) @ encoder.encode(TEXTS).T
    for text, related, unrelated in ((0, 1, 3), (3, 4, 0), (6, 7, 3), (8, 9, 0), (10, 11, 8)):
        assert like[text, related] > like[text, unrelated] + 0.3
