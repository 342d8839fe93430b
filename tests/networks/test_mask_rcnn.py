"""Mask R-CNN as a whole: what it is made of, what it gives in training and evaluation, and that it learns."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional

from pipeline.core.errors import ConfigError
from pipeline.core.labels import UNLABELLED
from pipeline.networks.mask_rcnn import Losses, MaskRCNN


def _small(**settings: object) -> MaskRCNN:
    torch.manual_seed(0)
    return MaskRCNN(1, 4, **({"channels": 8, "hidden": 8, "n_proposals": 16} | settings))


def _hearts(edge: int = 80) -> tuple[torch.Tensor, torch.Tensor]:
    """Two slices and their labels: a disc, the ring around it, and beside them what is left of another disc."""
    x, y = torch.meshgrid(torch.arange(edge) + 0.5, torch.arange(edge) + 0.5, indexing="ij")
    labels = torch.zeros(2, 1, edge, edge, dtype=torch.uint8)
    for label, (x0, y0, radius) in zip(labels[:, 0], ((42, 34, 13), (34, 42, 10)), strict=True):
        inner = ((x - x0) ** 2 + (y - y0) ** 2).sqrt() / radius
        label[((x - x0) ** 2 + (y - y0 - radius) ** 2).sqrt() < 1.9 * radius] = 3
        label[inner < 1.9] = 0
        label[inner < 1.6] = 2
        label[inner < 1] = 1
    level = torch.tensor([0.0, 1.0, 0.3, 0.9])[labels.long()]
    return level + 0.05 * torch.randn(level.shape), labels


def _overlaps(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """IoU (N, 3) of each structure."""
    guess, truth = (
        functional.one_hot(each.long(), 4).movedim(-1, 1)[:, 1:] for each in (logits.argmax(1), labels[:, 0])
    )
    return (guess & truth).sum((2, 3)) / (guess | truth).sum((2, 3))


def test_parameters_by_hand() -> None:
    network = MaskRCNN(1, 4)
    # pyramid: 1x1 laterals and 3x3 smoothing; proposals: 3x3, 6 anchors of 1 + 4 numbers; heads for 3 kinds
    pyramid = (64 + 128 + 256 + 512) * 64 + 4 * 64 + 4 * (9 * 64 * 64 + 64)
    proposals = 9 * 64 * 64 + 64 + (64 + 1) * 6 * 5
    boxes = (64 * 49 + 1) * 256 + (256 + 1) * 256 + (256 + 1) * (4 + 12)
    masks = 4 * (9 * 64 * 64 + 64) + 4 * 64 * 64 + 64 + (64 + 1) * 3
    backbone = 11_176_512 - 2 * 64 * 49
    assert sum(p.numel() for p in network.parameters()) == backbone + pyramid + proposals + boxes + masks


def test_kinds_of_the_heart_unless_others_are_named() -> None:
    assert _small().kinds == ((1,), (1, 2), (3,))
    assert _small(kinds=[[1], [1, 2], [1, 2, 3]]).kinds == ((1,), (1, 2), (1, 2, 3))
    with pytest.raises(ConfigError, match="tell 4 classes apart"):
        _small(kinds=[[1, 2, 3]])


@pytest.mark.parametrize("settings", [{"backbone": "vgg16"}, {"anchor_sizes": (16, 32)}])
def test_refusals(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        _small(**settings)


def test_any_size_comes_back(assert_sizes_kept) -> None:
    assert_sizes_kept(_small(), [(64, 64), (57, 83), (33, 129)], 4)


def test_exports(assert_exports) -> None:
    assert_exports(_small(), torch.randn(2, 1, 40, 56))


def test_training_gives_the_five_losses_and_reaches_every_parameter() -> None:
    network, (images, labels) = _small(), _hearts(64)
    losses = network(images, labels)
    assert isinstance(losses, Losses)
    assert all(loss.shape == () and loss.isfinite() and loss > 0 for loss in losses)
    sum(losses).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


def test_training_without_labels_is_a_clear_refusal() -> None:
    with pytest.raises(ValueError, match=r"\(images, labels\)"):
        _small()(torch.randn(2, 1, 64, 64))


def test_slices_without_a_heart_teach_that_there_is_none() -> None:
    losses = _small()(torch.randn(2, 1, 64, 64), torch.zeros(2, 1, 64, 64))
    assert losses.proposal == losses.box == losses.mask == 0
    assert losses.objectness > 0.1
    assert losses.kind > 0.1


def test_slices_without_labels_teach_nothing() -> None:
    network = _small()
    losses = network(torch.randn(2, 1, 64, 64), torch.full((2, 1, 64, 64), UNLABELLED))
    assert [loss.item() for loss in losses] == [0] * 5
    sum(losses).backward()
    assert all(p.grad is None or p.grad.abs().sum() == 0 for p in network.parameters())


def test_trains_under_autocast_with_channels_last() -> None:
    network, (images, labels) = _small().to(memory_format=torch.channels_last), _hearts(64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = network(images.to(memory_format=torch.channels_last), labels)
    assert all(loss.dtype == torch.float32 for loss in losses)
    sum(losses).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_an_untrained_network_sees_no_heart() -> None:
    """No kind is more likely than all others together, and none of it is pasted."""
    assert (_small().eval()(torch.randn(2, 1, 64, 64)).argmax(1) == 0).all()


def test_a_kinds_score_bounds_its_pixels() -> None:
    network = _small(anchor_sizes=(16, 16, 16, 16)).eval()
    torch.nn.init.zeros_(network.heads.kind.weight)
    network.heads.kind.bias.data = torch.tensor([0.0, -30.0, 1.0, -30.0])  # the epicardium with sigmoid(1)
    torch.nn.init.zeros_(network.heads.pixel.weight)
    network.heads.pixel.bias.data.fill_(30.0)
    logits = network(torch.randn(1, 1, 64, 64))
    inside = logits[0, 2] > 0
    assert 0 < inside.sum() < inside.numel()  # a box much smaller than the image
    torch.testing.assert_close(logits[0, 2][inside], torch.ones(int(inside.sum())))
    rows, columns = inside.any(1), inside.any(0)
    assert inside.sum() == rows.sum() * columns.sum()


def test_the_segmentation_is_made_of_the_best_detection_of_each_kind() -> None:
    network = _small().eval()
    for layer in (network.heads.kind, network.heads.deltas, network.heads.pixel):
        torch.nn.init.normal_(layer.weight, std=0.3)
    x = torch.randn(2, 1, 64, 64)
    probability = torch.full((2, 3, 64, 64), 1e-4)
    for image, found in zip(probability, network.detect(x, min_score=0.0, n_most=100), strict=True):
        for kind in range(3):
            best = (found.kinds == kind).nonzero()[0, 0]
            image[kind] = (found.scores[best] * found.masks[best]).clamp(1e-4, 1 - 1e-4)
    z = probability.logit()
    expected = torch.stack([torch.zeros_like(z[:, 0]), z[:, 0] + z[:, 1], z[:, 1], z[:, 2]], dim=1)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), expected, rtol=1e-3, atol=1e-3)


def test_detections_are_sorted_bounded_and_apart() -> None:
    network = _small().eval()
    torch.nn.init.normal_(network.heads.kind.weight, std=0.3)
    found = network.detect(torch.randn(2, 1, 64, 64), min_score=0.2, n_most=5)
    assert len(found) == 2
    for one in found:
        n = len(one.scores)
        assert 0 < n <= 5
        assert (one.boxes.shape, one.kinds.shape, one.masks.shape) == ((n, 4), (n,), (n, 64, 64))
        assert one.scores.tolist() == sorted(one.scores.tolist(), reverse=True)
        assert one.scores.min() >= 0.2
    nothing = network.detect(torch.randn(1, 1, 64, 64), min_score=1.0)[0]
    assert nothing.masks.shape == (0, 64, 64)


def test_it_learns_two_hearts_by_heart() -> None:
    torch.manual_seed(0)
    images, labels = _hearts()
    network, n_steps = MaskRCNN(1, 4, n_proposals=32), 70
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=n_steps)
    for _ in range(n_steps):
        optimizer.zero_grad()
        sum(network(images, labels)).backward()
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.inference_mode():
        assert (_overlaps(network(images), labels) > 0.7).all()
    for found, truth in zip(network.detect(images, min_score=0.5), labels[:, 0], strict=True):
        assert sorted(found.kinds.tolist()) == [0, 1, 2]
        disc = found.masks[found.kinds == 0][0] > 0.5
        assert (disc & (truth == 1)).sum() / (disc | (truth == 1)).sum() > 0.7


def test_a_copy_computes_the_same() -> None:
    """Averages of weights are kept in copies."""
    network, x = _small().eval(), torch.randn(1, 1, 40, 40)
    with torch.inference_mode():
        torch.testing.assert_close(copy.deepcopy(network)(x), network(x))
