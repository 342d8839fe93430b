"""Dense CRF: mean field against the definition, by hand and by brute force; learning as a layer."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError, GridError
from pipeline.networks.layers.crf import CRFAsRNN, DenseCRF


def _brute_force(
    logits: torch.Tensor, image: torch.Tensor, *, sigma_xy: float, sigma_intensity: float, n_iterations: int
) -> torch.Tensor:
    """Marginals (C, X Y) by the sums of the definition over all pairs of pixels, weights 3 and 4, Potts."""
    n_classes, *size = logits.shape[1:]
    at = torch.cartesian_prod(*(torch.arange(n, dtype=torch.double) for n in size))
    squared = torch.cdist(at, at) ** 2
    values = image.flatten()
    alike = torch.exp(-((values[:, None] - values) ** 2) / (2 * sigma_intensity**2))
    pairwise = torch.zeros_like(squared)
    for weight, kernel in ((3, torch.exp(-squared / 2)), (4, torch.exp(-squared / (2 * sigma_xy**2)) * alike)):
        n = kernel.sum(1)
        pairwise += weight * kernel / torch.sqrt(n[:, None] * n)
    pairwise.fill_diagonal_(0)
    unary = logits.reshape(n_classes, -1)
    marginals = unary.softmax(0)
    for _ in range(n_iterations):
        heard = marginals @ pairwise
        others = torch.stack([heard.sum(0) - heard[label] for label in range(n_classes)])
        marginals = (unary - others).softmax(0)
    return marginals


def _two_regions(noise: float = 5.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Image (1, 1, 40, 48) with a disc of 140 on 80, and its labels (40, 48)."""
    torch.manual_seed(0)
    x, y = torch.meshgrid(torch.arange(40), torch.arange(48), indexing="ij")
    labels = ((x - 20) ** 2 + (y - 20) ** 2 < 144).long()
    return (80 + 60 * labels + noise * torch.randn(40, 48)).clamp(0, 255)[None, None], labels


def test_one_step_on_two_pixels_by_hand() -> None:
    crf = DenseCRF(2, n_iterations=1, position_weight=3, bilateral_weight=0)
    refined = crf(torch.tensor([[[[math.log(4.0), 0.0]], [[0.0, 0.0]]]]), torch.zeros(1, 1, 1, 2))
    # marginals 0.8, 0.2 and 0.5, 0.5; k = exp(-1/2) = 0.60653, n = 1 + k, and 3 k / n = 1.13262 reaches the other pixel
    expected = torch.tensor([[[[math.log(4.0) - 0.56631, -0.22653]], [[-0.56631, -0.90610]]]])
    torch.testing.assert_close(refined, expected, atol=1e-4, rtol=0)


def test_the_bilateral_kernel_asks_for_like_intensity() -> None:
    crf = DenseCRF(2, n_iterations=1, position_weight=0, bilateral_weight=4)
    logits = torch.tensor([[[[math.log(4.0), 0.0]], [[0.0, 0.0]]]])
    torch.testing.assert_close(crf(logits, torch.tensor([[[[10.0, 200.0]]]])), logits)
    alike = crf(logits, torch.tensor([[[[10.0, 10.0]]]]))
    # k = exp(-1 / 2 67^2) is 1 almost: 4 k / n = 2, so the second pixel pays 0.4 and 1.6
    torch.testing.assert_close(alike[0, :, 0, 1], torch.tensor([-0.4, -1.6]), atol=0.03, rtol=0)


@pytest.mark.parametrize(
    ("sigma_xy", "sigma_intensity", "tolerance"), [(67.0, 3.0, 0.01), (4.0, 20.0, 0.03), (2.0, 10.0, 0.03)]
)
def test_marginals_near_brute_force_on_noise(sigma_xy: float, sigma_intensity: float, tolerance: float) -> None:
    torch.manual_seed(0)
    image, logits = torch.rand(1, 1, 12, 16).double() * 255, torch.randn(1, 4, 12, 16).double()
    settings = {"bilateral_sigma_xy": sigma_xy, "bilateral_sigma_intensity": sigma_intensity}
    expected = _brute_force(logits, image, sigma_xy=sigma_xy, sigma_intensity=sigma_intensity, n_iterations=10)
    found = DenseCRF(4, **settings).double().marginals(logits, image).view(4, -1)
    assert (found - expected).abs().max() < tolerance
    assert (logits.softmax(1).view(4, -1) - expected).abs().max() > 10 * tolerance  # the field did something
    finer = DenseCRF(4, cells_per_sigma=8, **settings).double().marginals(logits, image).view(4, -1)
    assert (finer - expected).abs().max() < tolerance / 3


def test_marginals_near_brute_force_on_regions() -> None:
    image, labels = _two_regions()
    image, labels = image[..., :24, :32].double(), labels[:24, :32]
    logits = (2 * nn.functional.one_hot(labels, 2) + 2 * torch.randn(24, 32, 2)).permute(2, 0, 1)[None].double()
    expected = _brute_force(logits, image, sigma_xy=67.0, sigma_intensity=3.0, n_iterations=10)
    found = DenseCRF(2).double().marginals(logits, image).view(2, -1)
    assert (found - expected).abs().max() < 0.01


def test_noise_goes_and_the_edge_stays() -> None:
    image, labels = _two_regions()
    logits = (nn.functional.one_hot(labels, 2) + 1.2 * torch.randn(40, 48, 2)).permute(2, 0, 1)[None]
    before = (logits.argmax(1)[0] == labels).float().mean()
    after = (DenseCRF(2).marginals(logits, image).argmax(1)[0] == labels).float().mean()
    assert before < 0.8
    assert after > 0.97


def test_without_weights_the_logits_come_back() -> None:
    logits, image = torch.randn(2, 3, 9, 7), torch.rand(2, 1, 9, 7) * 255
    crf = DenseCRF(3, position_weight=0, bilateral_weight=0)
    torch.testing.assert_close(crf(logits, image), logits)
    torch.testing.assert_close(crf.marginals(logits, image), logits.softmax(1))


def test_classes_are_alike() -> None:
    torch.manual_seed(0)
    logits, image, order = torch.randn(1, 4, 10, 11), torch.rand(1, 1, 10, 11) * 255, [2, 0, 3, 1]
    crf = DenseCRF(4)
    torch.testing.assert_close(crf(logits[:, order], image), crf(logits, image)[:, order])


@pytest.mark.parametrize("intensity_range", [(-3.0, 5.0), None])
def test_other_intensity_scales(intensity_range: tuple[float, float] | None) -> None:
    torch.manual_seed(0)
    logits, zscores = torch.randn(1, 2, 8, 8), torch.randn(1, 1, 8, 8)
    zscores[0, 0, 0, :2] = torch.tensor([-2.5, 6.0])
    low, high = intensity_range or (-2.5, 6.0)
    bytes_ = (zscores.clamp(low, high) - low) / (high - low) * 255
    expected = DenseCRF(2)(logits, bytes_)
    torch.testing.assert_close(DenseCRF(2, intensity_range=intensity_range)(logits, zscores), expected)


def test_an_image_of_one_value_has_no_range_and_that_is_fine() -> None:
    logits = torch.randn(1, 2, 6, 6)
    expected = DenseCRF(2)(logits, torch.zeros(1, 1, 6, 6))
    torch.testing.assert_close(DenseCRF(2, intensity_range=None)(logits, torch.full((1, 1, 6, 6), 7.0)), expected)


def test_gradients_of_logits_and_parameters() -> None:
    torch.manual_seed(0)
    crf = DenseCRF(3, n_training_iterations=2, bilateral_sigma_xy=2.0, bilateral_sigma_intensity=60.0, trainable=True)
    crf.double()
    image = torch.rand(1, 1, 3, 4).double() * 255
    names = [name for name, _ in crf.named_parameters()]
    assert names == ["position_weight", "bilateral_weight", "compatibility"]

    def refine(logits: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(crf, dict(zip(names, values, strict=True)), (logits, image))

    logits = torch.randn(1, 3, 3, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(refine, (logits, *crf.parameters()))


def test_five_steps_in_training_and_ten_after() -> None:
    torch.manual_seed(0)
    logits, image = torch.randn(1, 2, 6, 6), torch.rand(1, 1, 6, 6) * 255
    five, ten = DenseCRF(2, n_iterations=5)(logits, image), DenseCRF(2)(logits, image)
    assert not torch.allclose(five, ten)
    layer = DenseCRF(2, trainable=True)
    torch.testing.assert_close(layer(logits, image), five)
    torch.testing.assert_close(layer.eval()(logits, image), ten)


def test_only_a_trainable_field_has_parameters_and_both_load_alike() -> None:
    fixed, layer = DenseCRF(3), DenseCRF(3, trainable=True)
    assert not list(fixed.parameters())
    assert sum(p.numel() for p in layer.parameters()) == 3 + 3 + 9
    fixed.load_state_dict(layer.state_dict())


def test_a_layer_without_weights_learns_to_smooth() -> None:
    image, labels = _two_regions()
    logits = (nn.functional.one_hot(labels, 2) + 1.2 * torch.randn(40, 48, 2)).permute(2, 0, 1)[None]
    layer = DenseCRF(2, position_weight=0.0, bilateral_weight=0.0, trainable=True)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.3)
    losses = []
    for _ in range(12):
        loss = nn.functional.cross_entropy(layer(logits, image), labels[None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert layer.bilateral_weight.sum() > 0.5


class _Auxiliary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.main, self.side = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        return (self.main(x), self.side(x)) if self.training else self.main(x)


def _small() -> CRFAsRNN:
    torch.manual_seed(0)
    crf = DenseCRF(3, intensity_range=(-3.0, 5.0), bilateral_sigma_intensity=20.0, trainable=True)
    return CRFAsRNN(_Auxiliary(), crf, image_channel=1)


def test_a_network_with_a_field_behaves_as_a_network(assert_sizes_kept, assert_learns, assert_exports) -> None:
    assert_sizes_kept(_small(), [(12, 16), (13, 7)], 3)
    assert_learns(_small(), torch.randn(2, 2, 12, 12), 3, rate=1e-3)
    assert_exports(_small(), torch.randn(2, 2, 10, 12))


def test_the_field_refines_the_main_logits_by_the_chosen_channel() -> None:
    network, x = _small(), torch.randn(1, 2, 9, 9)
    refined, side = network(x)
    main, untouched = network.network(x)
    torch.testing.assert_close(refined, network.crf(main, x[:, 1:]))
    torch.testing.assert_close(side, untouched)
    assert not torch.allclose(refined, network.crf(main, x[:, :1]))


def test_low_precision_logits_are_refined_in_single_precision() -> None:
    network, x = _small().eval(), torch.randn(2, 2, 12, 12).to(memory_format=torch.channels_last)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        found = network(x)
        logits = network.network(x)
    assert logits.dtype == torch.bfloat16
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, copy.deepcopy(network.crf)(logits.float(), x[:, 1:]))


@pytest.mark.parametrize(
    "settings",
    [
        {"n_iterations": 0}, {"cells_per_sigma": 0}, {"position_sigma": 0.0}, {"bilateral_sigma_intensity": -1.0},
        {"intensity_range": (5.0, 5.0)},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError, match="CRF"):
        DenseCRF(2, **settings)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"logits \(N, 2, X, Y\)"):
        DenseCRF(2)(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))
    for image in (torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 5), torch.zeros(2, 1, 4, 4)):
        with pytest.raises(GridError, match="one channel"):
            DenseCRF(2)(torch.zeros(1, 2, 4, 4), image)
