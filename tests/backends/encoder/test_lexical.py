import numpy as np
import pytest

from endcap.backends.encoder.lexical import fit_lexical

TEXTS = [f"{color} {item}" for color in ("red", "blue", "green") for item in ("mug", "bowl", "spade", "hose", "lamp")]


def test_fitting_again_gives_the_same_bytes() -> None:
    first, second = fit_lexical(TEXTS, 8), fit_lexical(list(TEXTS), 8)
    assert first.directions.tobytes() == second.directions.tobytes()
    assert first.encode(TEXTS).tobytes() == second.encode(TEXTS).tobytes()


@pytest.mark.parametrize("texts", [[], [""], ["alone"], ["twin", "twin"], TEXTS[:3]])
def test_fewer_texts_or_features_than_the_dimension_leave_the_last_columns_zero(texts: list[str]) -> None:
    vectors = fit_lexical(texts, 64).encode([*texts, "unseen"])
    assert vectors.shape == (len(texts) + 1, 64)
    assert np.isfinite(vectors).all()
    assert not vectors[:, len(texts) :].any()


def test_a_feature_of_one_text_alone_is_left_out() -> None:
    encoder = fit_lexical(["red mug", "red bowl", "qqq"], 4)
    assert encoder.encode(["red"]).any()
    assert not encoder.encode(["qqq"]).any()


def test_weights_are_sublinear_tf_idf() -> None:
    """Two texts that differ in how often a word stands lie closer than the plain counts 1 and 8 would put them."""
    encoder = fit_lexical(["a1 b1", "a1 c1", "b1 c1", "a1 a1 a1 a1 a1 a1 a1 a1 b1"], 8)
    once, often = encoder.encode(["a1 b1", "a1 a1 a1 a1 a1 a1 a1 a1 b1"])
    assert once @ often > 0.6
