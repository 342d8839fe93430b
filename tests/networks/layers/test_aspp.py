"""Atrous spatial pyramid pooling of DeepLab v3: branches, receptive field, batches of one."""

from __future__ import annotations

import pytest
import torch

from pipeline.networks.layers.arithmetic import receptive_field
from pipeline.networks.layers.aspp import ASPP, refuse_batch_of_one


def test_branches_lie_side_by_side_and_are_concatenated() -> None:
    aspp = ASPP(8, 4, rates=(2, 3)).eval()
    assert [branch.conv.dilation[0] for branch in aspp.branches] == [1, 2, 3]
    assert [branch.conv.kernel_size[0] for branch in aspp.branches] == [1, 3, 3]
    assert aspp.project.conv.weight.shape == (4, 4 * (3 + 1), 1, 1)
    assert aspp(torch.randn(1, 8, 5, 7)).shape == (1, 4, 5, 7)


def test_image_level_branch_is_the_mean_spread_over_the_image() -> None:
    aspp = ASPP(1, 1, rates=(1,)).eval()
    torch.nn.init.ones_(aspp.image_level[1].conv.weight)
    seen: list[torch.Tensor] = []
    aspp.project.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    aspp(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    torch.testing.assert_close(seen[0][0, -1], torch.full((2, 2), 3.0), rtol=1e-4, atol=0)  # normalised by 1 + 1e-5


def test_receptive_field_of_a_branch_by_formula_and_by_gradient(probed_extent) -> None:
    assert receptive_field([(3, 1, 4)]) == 9
    assert probed_extent(ASPP(1, 2, rates=(4,)).branches[1], 31) == 9


def test_batch_of_one_is_refused_in_training_alone() -> None:
    one, two = torch.zeros(1, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    with pytest.raises(ValueError, match="training ThisNet needs a batch of at least 2"):
        refuse_batch_of_one(one, True, "ThisNet")
    refuse_batch_of_one(one, False, "ThisNet")
    refuse_batch_of_one(two, True, "ThisNet")
