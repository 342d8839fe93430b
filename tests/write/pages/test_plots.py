import io

import numpy as np
from matplotlib.image import imread

from pipeline.write.pages.plots import bland_altman_plot, box_plot, reliability_plot


def _pixels(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png))


def test_boxes_grow_with_their_number_and_show_their_values() -> None:
    one = _pixels(box_plot({"LV": [0.9, 0.8, float("nan")]}, ylabel="Dice"))
    three = _pixels(box_plot({name: [0.9, 0.8] for name in ("LV", "MYO", "RV")}, ylabel="Dice"))
    assert three.shape[1] > one.shape[1]
    blue = (one[..., 2] > one[..., 0] + 0.15).sum()
    more = _pixels(box_plot({"LV": list(np.linspace(0.5, 1.0, 30))}, ylabel="Dice"))
    assert (more[..., 2] > more[..., 0] + 0.15).sum() > blue > 0


def test_bland_altman_draws_the_same_for_the_same_numbers() -> None:
    values = ([50.0, 60.0, 40.0], [51.0, 58.0, 43.0])
    first, second = (bland_altman_plot(*values, limits=(-4.0, 0.7, 5.0), title="LV EF", unit="%") for _ in range(2))
    assert first == second
    assert _pixels(first).shape[2] == 4


def test_an_empty_group_leaves_its_place() -> None:
    assert _pixels(box_plot({"LV": [0.9], "RV": []}, ylabel="Dice")).std() > 0


def test_reliability_has_a_panel_a_structure_and_shows_dots_and_limits() -> None:
    expected, measured = np.linspace(0.8, 0.97, 40), np.linspace(0.75, 0.98, 40)
    one = _pixels(reliability_plot({"LV": (expected, measured)}, limits={}))
    two = _pixels(reliability_plot({"LV": (expected, measured), "RV": (expected, measured)}, limits={}))
    assert two.shape[1] == 2 * one.shape[1]
    limited = _pixels(reliability_plot({"LV": (expected, measured)}, limits={"LV": (0.9, 0.85)}))
    red = [int((picture[..., 0] > picture[..., 2] + 0.2).sum()) for picture in (one, limited)]
    assert red[1] > red[0] > 0


def test_reliability_of_fewer_volumes_than_tenths() -> None:
    pair = (np.array([0.9, 0.8, 0.85]), np.array([0.88, 0.82, 0.5]))
    assert _pixels(reliability_plot({"mean": pair}, limits={})).std() > 0
