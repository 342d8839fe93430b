"""Training without labels: what is compared with what."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.networks.wnet import SoftNormalisedCut, WNet
from pipeline.train.unsupervised import CutAndReconstruction, PrepareWithoutLabels


def test_the_image_takes_the_labels_place() -> None:
    image, label = torch.randn(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    prepare = PrepareWithoutLabels(lambda batch, *_: (batch["image"] + 1, batch["label"]))
    first, second = prepare({"image": image, "label": label})
    torch.testing.assert_close(first, image + 1)
    assert second is first


def test_the_loss_is_the_cut_and_the_error() -> None:
    torch.manual_seed(0)
    logits, image = torch.randn(1, 3, 8, 8), torch.randn(1, 1, 8, 8)
    cut = SoftNormalisedCut()(logits, image)
    exact = CutAndReconstruction()((logits, image), image)
    torch.testing.assert_close(exact, cut)
    torch.testing.assert_close(CutAndReconstruction(cut_weight=0)((logits, image + 2), image), torch.tensor(4.0))


def test_w_net_learns_without_labels() -> None:
    torch.manual_seed(0)
    network, loss = WNet(1, 2, base_channels=4, depth=2, dropout=0.0).train(), CutAndReconstruction()
    image = torch.zeros(2, 1, 16, 16)
    image[:, :, 4:12, 5:11] = 2.0
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(15):
        value = loss(network(image), image)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert losses[-1] < 0.7 * losses[0]


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        CutAndReconstruction(cut_weight=-1)
