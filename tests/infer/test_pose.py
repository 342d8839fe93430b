"""The pose of a heart is found by what a network sees; here the network is one that knows hearts in one pose alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from pipeline.core.pose import AS_STORED, CLEAR_RATIO, POSES, Pose
from pipeline.infer.cine import POSE_SCORES, CineInferer
from pipeline.infer.pose import choose_pose, find_pose, middle_slices, pose_scores
from pipeline.infer.transforms import TellPosed
from pipeline.prepare.transforms import StandardViewd

SIZE = (40, 32)
SHORT_AXIS = np.array([[-0.71, -0.71, 0, 0], [0.41, -0.41, -0.82, 0], [0.58, 0.58, -0.58, 0], [0, 0, 0, 1.0]]).T
"""RAS+ affine of a stack in the standard view: rows to the left and back, columns to the feet, slices to the apex."""
ACDC = np.diag([-1.0, -1.0, 1.0, 1.0])


def _heart(n_slices: int = 6, *, at: tuple[int, int] = (20, 14)) -> torch.Tensor:
    """(1, X, Y, Z): values 1 to 3 as a network's labels; RV to the left, a tail of it up, as no other pose has it."""
    picture = torch.zeros(1, *SIZE, n_slices)
    x, y = at
    picture[:, x - 3 : x + 4, y - 3 : y + 4] = 2.0
    picture[:, x - 1 : x + 2, y - 1 : y + 2] = 1.0
    picture[:, x - 7 : x - 3, y - 2 : y + 1] = 3.0
    picture[:, x - 7 : x - 5, y - 5 : y - 2] = 3.0
    return picture


def _network(windows: torch.Tensor) -> torch.Tensor:
    """Sees the right ventricle where it lies to the left of the cavity with its tail up, and what else there is."""
    labels = windows[:, 0].round().long()
    for picture in labels:
        right, cavity = (picture == 3).nonzero().float(), (picture == 1).nonzero().float()
        if len(right) and len(cavity):
            tail = right[right[:, 1] < cavity[:, 1].mean() - 2]
            is_left = right[:, 0].max() < cavity[:, 0].min()
            if not (is_left and len(tail) and tail[:, 0].mean() < right[:, 0].mean()):
                picture[picture == 3] = 0
    return 6.0 * torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).float()


def _stored(pose: Pose, affine: np.ndarray, *, truthful: bool) -> MetaTensor:
    """The heart's picture stored so that laying it down in `pose` gives the standard view."""
    picture = _heart()
    stored = pose.inverse.apply(picture)
    matrix = pose.inverse.index_matrix(tuple(picture.shape[1:])) if truthful else np.eye(4)
    tensor = torch.tensor(affine @ matrix)
    return MetaTensor(stored.contiguous(), meta={"affine": tensor, "original_affine": tensor.clone()})


@pytest.mark.parametrize("told", [SHORT_AXIS, ACDC], ids=["short axis", "made up"])
@pytest.mark.parametrize("truthful", [True, False])
@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_labels_are_the_same_in_every_pose_whatever_the_header_says(
    pose: Pose, truthful: bool, told: np.ndarray
) -> None:
    image = _stored(pose, told, truthful=truthful)
    item = StandardViewd("image")({"image": image})
    item["pred"] = CineInferer((24, 24), amp=False, focus=True, poses=True)(item["image"][None], _network)[0]
    item = TellPosed("pred")(item)
    item["pred"].applied_operations = item["image"].applied_operations
    labels = StandardViewd("pred").inverse({"pred": item["pred"]})["pred"].reshape(1, 4, *image.shape[1:]).argmax(1)
    torch.testing.assert_close(labels.as_tensor(), image.as_tensor().long())
    found = item["pose"]
    assert found.pose == pose
    assert found.header_tells == (told is SHORT_AXIS)
    assert found.contradicts_header == (told is SHORT_AXIS and not truthful and pose != AS_STORED)
    assert pose.name in found.sentence()
    assert ("disagree" in found.sentence()) == found.contradicts_header


def test_nothing_is_told_of_a_pose_that_was_not_looked_for() -> None:
    image = _stored(AS_STORED, ACDC, truthful=True)
    logits = CineInferer((24, 24), amp=False)(image[None], _network)[0]
    assert POSE_SCORES not in logits.meta
    assert "pose" not in TellPosed("pred")({"pred": logits})
    assert POSE_SCORES not in image.meta


def test_each_cine_of_a_batch_has_its_own_pose() -> None:
    heart = _heart()
    batch = torch.stack([heart, Pose(False, True, True).apply(heart)])
    logits = CineInferer((24, 24), amp=False, poses=True)(batch, _network)
    torch.testing.assert_close(logits.argmax(1), batch[:, 0].long())


def test_a_heart_apart_from_the_middle_is_looked_for_in_the_whole_picture() -> None:
    slices = _heart(at=(30, 7)).permute(3, 0, 1, 2)
    scores = pose_scores(slices, _network, window=(12, 12))
    assert scores.argmax() == 0
    assert scores[0] == pytest.approx(np.mean(np.log1p([9 * 6 * p for p in (1, 40 / 9, 18 / 9)])), abs=0.02)


def test_a_picture_without_a_heart_has_no_pose() -> None:
    scores = pose_scores(torch.zeros(4, 1, *SIZE), _network, window=(24, 24))
    np.testing.assert_array_equal(scores, np.zeros(8))
    assert choose_pose(scores) == 0
    assert find_pose(scores, header_pose=POSES[3], header_tells=False).over_next == 1.0


def test_a_header_is_contradicted_where_another_pose_is_clearly_better() -> None:
    scores = np.full(8, 5.0)
    quarter = Pose(True, True, False)
    scores[[0, 2]] = 7.0, 7.0 + np.log(0.99 * CLEAR_RATIO)
    found = find_pose(scores, header_pose=quarter, header_tells=True)
    assert (found.pose, found.contradicts_header) == (quarter, False)
    scores[2] = 7.0 + np.log(1.01 * CLEAR_RATIO)
    found = find_pose(scores, header_pose=quarter, header_tells=True)
    assert (found.pose, found.contradicts_header) == (quarter.then(POSES[2]), True)
    assert found.over_header == pytest.approx(1.01 * CLEAR_RATIO)
    again = type(found).from_json(found.to_json())
    assert (again.pose, again.header_pose) == (found.pose, found.header_pose)
    assert not find_pose(scores, header_pose=quarter, header_tells=False).contradicts_header


@pytest.mark.parametrize("n_slices", range(1, 15))
def test_the_middle_is_the_same_from_either_end(n_slices: int) -> None:
    looked_at = list(range(n_slices))[middle_slices(n_slices)]
    assert looked_at == [n_slices - 1 - z for z in reversed(looked_at)]
    assert len(looked_at) in (min(n_slices, 3), min(n_slices, 4))
