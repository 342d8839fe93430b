import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

from pipeline.core.errors import GridError
from pipeline.core.geometry import Grid
from pipeline.core.labels import LV, MYO, RV, UNLABELLED
from pipeline.evaluate.surface import surface_distances

SHAPE = (24, 20, 12)


def _grid(*spacing_mm: float) -> Grid:
    return Grid(SHAPE, np.diag([*spacing_mm, 1.0]))


def _box(start: int, stop: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[start:stop, 5:10, 3:7] = LV.value
    return labels


@pytest.mark.parametrize("shift", [1, 3])
def test_a_shift_is_as_far_as_its_millimetres(shift: int) -> None:
    found = surface_distances(_box(4, 10), _box(4 + shift, 10 + shift), _grid(1.5, 1.0, 8.0))[LV.name]
    assert found is not None
    assert found.hausdorff_mm == pytest.approx(1.5 * shift)
    assert found.hd95_mm <= found.hausdorff_mm
    assert 0 < found.assd_mm < found.hausdorff_mm


def test_two_points() -> None:
    one, two = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    one[2, 2, 2], two[5, 6, 2] = RV.value, RV.value
    found = surface_distances(one, two, _grid(1.0, 1.0, 10.0))[RV.name]
    assert found is not None
    assert (found.hausdorff_mm, found.hd95_mm, found.assd_mm) == (5.0, 5.0, 5.0)


def test_equal_masks_touch_and_absent_ones_do_not_count() -> None:
    found = surface_distances(_box(4, 10), _box(4, 10), _grid(1.0, 1.0, 10.0))
    assert found[LV.name] is not None
    assert found[LV.name].assd_mm == found[LV.name].hausdorff_mm == 0.0
    assert found[MYO.name] is None


@pytest.mark.parametrize("missed", [True, False])
def test_a_miss_is_the_volumes_diagonal(missed: bool) -> None:
    empty = np.zeros(SHAPE, np.uint8)
    pair = (_box(4, 10), empty) if missed else (empty, _box(4, 10))
    found = surface_distances(*pair, _grid(1.0, 2.0, 5.0))[LV.name]
    assert found is not None
    assert found.hd95_mm == found.assd_mm == pytest.approx(np.sqrt(24**2 + 40**2 + 60**2))


def test_what_is_unlabelled_is_passed_over() -> None:
    truth, guess = _box(4, 10), _box(4, 16)
    truth[10:] = UNLABELLED
    found = surface_distances(truth, guess, _grid(1.0, 1.0, 10.0))[LV.name]
    assert found is not None
    assert found.hausdorff_mm == 0.0


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI calls itself so
def test_agrees_with_monai_on_irregular_shapes() -> None:
    rng = np.random.default_rng(0)
    spacing = (1.4, 1.2, 8.0)
    truth, guess = (np.where(rng.random(SHAPE) > 0.8, MYO.value, 0).astype(np.uint8) for _ in range(2))
    truth[:3] = guess[-2:] = 0
    found = surface_distances(truth, guess, _grid(*spacing))[MYO.name]
    masks = [torch.from_numpy(labels == MYO.value)[None, None].float() for labels in (guess, truth)]
    options = {"include_background": True, "spacing": spacing}
    assert found is not None
    assert found.hausdorff_mm == pytest.approx(float(compute_hausdorff_distance(*masks, **options)), rel=1e-5)
    expected = float(compute_hausdorff_distance(*masks, percentile=95, **options))
    assert found.hd95_mm == pytest.approx(expected, rel=1e-5)
    average = float(compute_average_surface_distance(*masks, symmetric=True, **options))
    assert found.assd_mm == pytest.approx(average, rel=1e-5)


def test_symmetry_and_units() -> None:
    one, two = _box(4, 10), _box(6, 13)
    there, back = (surface_distances(*pair, _grid(1.0, 1.0, 5.0))[LV.name] for pair in ((one, two), (two, one)))
    assert there == back
    doubled = surface_distances(one, two, _grid(2.0, 2.0, 10.0))[LV.name]
    assert there is not None
    assert doubled is not None
    assert doubled.assd_mm == pytest.approx(2 * there.assd_mm)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(GridError, match="one shape"):
        surface_distances(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), _grid(1.0, 1.0, 1.0))
