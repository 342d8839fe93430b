"""Expected Dice, by hand and against truths drawn from the probabilities."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from pipeline.core.errors import GridError
from pipeline.infer.confidence import sum_probabilities
from pipeline.infer.transforms import EstimateConfidenced


def expected_dice(logits: torch.Tensor, *, n_classes: int) -> torch.Tensor:
    return torch.from_numpy(sum_probabilities(logits, n_classes=n_classes).expected_dice)


def _logits(probabilities: list[list[float]]) -> torch.Tensor:
    """Probabilities of each class at each voxel, (C, n), to logits (C, n, 1, 1)."""
    return torch.tensor(probabilities).log()[:, :, None, None]


def test_by_hand_phase_major() -> None:
    first = _logits([[0.1, 0.3, 0.8], [0.7, 0.3, 0.1], [0.2, 0.4, 0.1]])  # labels 1, 2, 0
    second = _logits([[0.05, 0.05, 0.05], [0.9, 0.9, 0.55], [0.05, 0.05, 0.4]])  # labels 1, 1, 1
    found = expected_dice(torch.cat([first, second]), n_classes=3)
    assert found[0].tolist() == pytest.approx([2 * 0.7 / (1 + 1.1), 2 * 0.4 / (1 + 0.7)], abs=1e-6)
    assert found[1, 0] == pytest.approx(2 * 2.35 / (3 + 2.35), abs=1e-6)
    assert math.isnan(found[1, 1])


def test_certain_background_around_changes_nothing() -> None:
    heart = torch.randn(4, 6, 6, 2, generator=torch.Generator().manual_seed(0))
    wide = torch.full((4, 60, 60, 2), -10.0)
    wide[0] = 10.0
    wide[:, 20:26, 20:26] = heart
    torch.testing.assert_close(expected_dice(wide, n_classes=4), expected_dice(heart, n_classes=4))


def test_nothing_but_background_is_unknown() -> None:
    logits = torch.zeros(6, 2, 2, 1)
    logits[[0, 3]] = 1.0
    assert expected_dice(logits, n_classes=3).isnan().all()


def test_it_is_what_truths_from_these_probabilities_give_in_the_mean() -> None:
    generator = torch.Generator().manual_seed(1)
    p = torch.rand(2000, generator=generator)
    mask = p > 0.5
    truths = torch.rand(200, 2000, generator=generator) < p
    dice = 2.0 * (truths & mask).sum(1) / (truths.sum(1) + mask.sum())
    logits = torch.stack([1 - p, p]).log()[:, :, None, None]
    assert expected_dice(logits, n_classes=2).item() == pytest.approx(dice.mean().item(), abs=2e-3)


def test_surer_is_higher() -> None:
    logits = torch.randn(4, 8, 8, 3, generator=torch.Generator().manual_seed(2))
    values = [expected_dice(scale * logits, n_classes=4) for scale in (1.0, 2.0, 8.0, 2000.0)]
    assert all((low < high).all() for low, high in pairwise(values))
    torch.testing.assert_close(values[-1], torch.ones(1, 3, dtype=torch.float64), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("shape", "n_classes"), [((6, 2, 2, 2), 4), ((4, 2, 2), 4), ((4, 2, 2, 2), 1)])
def test_what_are_no_logits_is_refused(shape: tuple[int, ...], n_classes: int) -> None:
    with pytest.raises(GridError, match="logits must be"):
        expected_dice(torch.zeros(shape), n_classes=n_classes)


def test_wrapper_adds_a_key_and_keeps_the_logits() -> None:
    affine = torch.diag(torch.tensor([1.5, 1.5, 8.0, 1.0], dtype=torch.float64))
    logits = MetaTensor(torch.randn(8, 5, 5, 2, generator=torch.Generator().manual_seed(3)), affine=affine)
    item = EstimateConfidenced("pred", n_classes=4)({"pred": logits})
    assert item["pred"] is logits
    assert item["confidence"].decided.shape == (2, 3, 2)
    torch.testing.assert_close(
        torch.from_numpy(item["confidence"].expected_dice), expected_dice(logits.as_tensor(), n_classes=4)
    )


def test_sums_by_slice_by_hand() -> None:
    p = torch.tensor([[0.9, 0.7, 0.3], [0.85, 0.1, 0.05]])  # two slices of three pixels
    logits = torch.stack([1 - p, p]).log().permute(0, 2, 1)[:, :, None]  # (2, 3, 1, 2)
    sums = sum_probabilities(logits, n_classes=2)
    assert sums.decided.tolist() == [[[2.0, 1.0]]]
    assert sums.agreed.ravel().tolist() == pytest.approx([1.6, 0.85])
    assert sums.expected.ravel().tolist() == pytest.approx([1.9, 1.0])
    assert sums.sure.tolist() == [[[1.0, 1.0]]]
    assert sums.possible.tolist() == [[[3.0, 1.0]]]
