"""The MONAI wrappers: each phase and key on its own, metadata kept, the given data left as they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from pipeline.infer.cleanup import keep_largest_component, remove_impossible
from pipeline.infer.confidence import sum_probabilities
from pipeline.infer.decide import decide_labels
from pipeline.infer.transforms import EstimateConfidenced, KeepLargestComponentd, RemoveImpossibled, ToLabelMapd

AFFINE = torch.diag(torch.tensor([1.5, 2.0, 8.0, 1.0], dtype=torch.float64))
LOGITS = torch.randn(8, 6, 5, 2, generator=torch.Generator().manual_seed(0))


def _labels() -> np.ndarray:
    """Two phases: a heart with a hole and a crumb beside it, and one in two pieces of one structure."""
    labels = np.zeros((2, 12, 12, 2), dtype=np.uint8)
    labels[:, 2:9, 2:9] = 2
    labels[:, 4:7, 4:7] = 1
    labels[0, 5, 5, 0] = 0
    labels[:, 11, 11, 1] = 3
    labels[1, 2, 2] = 1
    return labels


@pytest.mark.parametrize(
    ("transform", "function"),
    [(RemoveImpossibled, remove_impossible), (KeepLargestComponentd, keep_largest_component)],
)
def test_label_maps_are_cleaned_and_keep_where_they_lie(transform, function) -> None:
    given = _labels()
    labels = MetaTensor(torch.from_numpy(given.copy()), affine=AFFINE, meta={"case": "one"})
    data = {"pred": labels, "plain": given.copy(), "other": 3}
    cleaned = transform(["pred", "plain"])(data)
    expected = function(given)
    assert (expected != given).any()
    np.testing.assert_array_equal(cleaned["pred"].numpy(), expected)
    np.testing.assert_array_equal(cleaned["plain"], expected)
    assert isinstance(cleaned["pred"], MetaTensor)
    assert isinstance(cleaned["plain"], np.ndarray)
    assert cleaned["pred"].dtype == torch.uint8
    torch.testing.assert_close(cleaned["pred"].affine, AFFINE)
    assert (cleaned["pred"].meta["case"], cleaned["other"]) == ("one", 3)
    np.testing.assert_array_equal(data["pred"].numpy(), given)


def test_the_two_cleanings_differ() -> None:
    assert (remove_impossible(_labels()) != keep_largest_component(_labels())).any()


def test_logits_become_labels_on_their_own_grid() -> None:
    logits = MetaTensor(LOGITS.clone(), affine=AFFINE, meta={"case": "one"})
    decided = ToLabelMapd(["pred", "plain"], n_classes=4)({"pred": logits, "plain": LOGITS})
    expected = decide_labels(LOGITS, n_classes=4)
    assert torch.equal(decided["pred"].as_tensor(), expected)
    assert torch.equal(decided["plain"], expected)
    assert not isinstance(decided["plain"], MetaTensor)
    torch.testing.assert_close(decided["pred"].affine, AFFINE)
    assert decided["pred"].meta["case"] == "one"


def test_each_key_has_a_confidence_of_its_own() -> None:
    surer = 3.0 * LOGITS
    data = {"a": MetaTensor(LOGITS, affine=AFFINE), "b": surer}
    estimated = EstimateConfidenced(["a", "b"], n_classes=4, confidence_keys=["of_a", "of_b"])(data)
    np.testing.assert_array_equal(estimated["of_a"].agreed, sum_probabilities(LOGITS, n_classes=4).agreed)
    np.testing.assert_array_equal(estimated["of_b"].agreed, sum_probabilities(surer, n_classes=4).agreed)
    assert set(data) == {"a", "b"}


@pytest.mark.parametrize(
    "transform",
    [
        RemoveImpossibled("pred"),
        KeepLargestComponentd("pred"),
        ToLabelMapd("pred", n_classes=4),
        EstimateConfidenced("pred", n_classes=4),
    ],
)
def test_a_key_that_is_not_there_is_refused(transform) -> None:
    with pytest.raises(KeyError, match="pred"):
        transform({"other": 1})
