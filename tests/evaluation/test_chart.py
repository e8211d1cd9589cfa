from pathlib import Path

from matplotlib.image import imread

from endcap.evaluation import Evaluation
from endcap.evaluation.chart import draw_chart


def test_the_chart_is_a_png_of_readable_size_and_not_empty(evaluation: Evaluation, tmp_path: Path) -> None:
    draw_chart(evaluation, tmp_path / "ladder.png")

    picture = imread(tmp_path / "ladder.png")
    assert picture.shape[:2] == (672, 1200)
    assert picture.std() > 0.05


def test_the_same_ladder_gives_the_same_picture(evaluation: Evaluation, tmp_path: Path) -> None:
    draw_chart(evaluation, tmp_path / "one.png")
    draw_chart(evaluation, tmp_path / "two.png")

    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
