import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfTransformer

from endcap.backends.encoder.lexical import _weighted, fit_lexical

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


def test_weights_are_those_of_the_library_s_sublinear_tf_idf() -> None:
    counts = sp.csr_matrix(np.array([[1, 8, 0], [0, 3, 3], [2, 0, 0], [0, 0, 0]], np.float32))
    library = TfidfTransformer(sublinear_tf=True)
    expected = library.fit_transform(counts).toarray()
    found = _weighted(counts, library.idf_.astype(np.float32)).toarray()
    np.testing.assert_allclose(found, expected, atol=1e-6)
