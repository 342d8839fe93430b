"""The left cavity lies within its wall; another order of values shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.core.labels import LV, MYO, RV, map_labels
from pipeline.read.datasets import load_datalist
from pipeline.read.enclosure import enclosed_share, misplaced_pair
from pipeline.read.labels import read_stored_label

RIGHT = {0: 0, 1: 1, 2: 2, 3: 3}


def heart() -> np.ndarray:
    labels = np.zeros((1, 20, 20, 2), np.uint8)
    labels[:, 4:13, 4:13], labels[:, 6:11, 6:11], labels[:, 13:17, 5:11] = 2, 1, 3
    return labels


def test_shares_by_hand() -> None:
    # the right ventricle, 4 x 6 pixels, has 20 neighbours, 6 of them wall
    assert enclosed_share(heart(), 3, 2) == pytest.approx(6 / 20)
    assert enclosed_share(heart(), 1, 2) == 1.0
    assert enclosed_share(heart(), 1, 3) == enclosed_share(heart(), 7, 2) == 0.0


def test_only_the_right_order_passes() -> None:
    assert misplaced_pair(heart()) is None
    assert misplaced_pair(map_labels(heart(), scheme={0: 0, 1: 3, 2: 2, 3: 1})) == (RV, MYO)
    assert misplaced_pair(map_labels(heart(), scheme={0: 0, 1: 2, 2: 1, 3: 3})) == (MYO, LV)


def test_one_cannot_tell_without_a_wall() -> None:
    assert misplaced_pair(np.where(heart() == 2, 0, heart())) is None
    assert misplaced_pair(np.zeros((1, 3, 3, 1), np.uint8)) is None


def test_acdc_s_own_scheme_passes_and_ours_does_not(cmr_data: Path) -> None:
    for case in load_datalist(cmr_data / "acdc")[::8]:
        stored = read_stored_label(case["label"]).array
        assert misplaced_pair(map_labels(stored, scheme="acdc")) is None, case["label"]
        assert misplaced_pair(map_labels(stored, scheme="cmr")) == (RV, MYO), case["label"]


def test_unlabelled_neighbours_are_of_no_account() -> None:
    row = np.array([2, 1, 255, 1, 1, 0]).reshape(1, 6, 1, 1)
    assert enclosed_share(row, 1, 2) == 1 / 2  # the wall on the left, background on the right
    assert enclosed_share(np.swapaxes(row, 1, 2), 1, 2) == 1 / 2
    assert enclosed_share(np.swapaxes(row, 1, 3), 1, 2) == 0.0  # slices are no neighbours
    assert enclosed_share(np.full((1, 2, 2, 1), 1), 1, 2) == 0.0


@pytest.mark.parametrize(("n_open", "told"), [(1, False), (2, True)])
def test_a_quarter_better_is_still_a_doubt_and_more_is_an_order_of_its_own(n_open: int, told: bool) -> None:
    """Of four sides of the cavity's one pixel 3 or 2 are wall, and all of the right ventricle's."""
    labels = np.zeros((1, 9, 9, 1), np.uint8)
    labels[0, 1:4, 1:4] = 2
    labels[0, 2, 2] = 1
    labels[0, [1, 2][:n_open], [2, 1][:n_open]] = 0
    labels[0, 5:8, 5:8] = 2
    labels[0, 6, 6] = 3
    assert misplaced_pair(labels) == ((RV, MYO) if told else None)
