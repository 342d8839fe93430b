"""The dilated front-end, its context module and MSCADC: dilations, fields of view, identity at the start."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from pipeline.core.errors import ConfigError
from pipeline.networks.dilated import CONTEXT_DILATIONS, MSCADC, ContextModule, DilatedNet
from pipeline.networks.layers.arithmetic import receptive_field


def _convs(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def _layers(module: nn.Module) -> list[tuple[int, int, int]]:
    return [(conv.kernel_size[0], conv.stride[0], conv.dilation[0]) for conv in _convs(module)]


def _dilated(**settings: object) -> DilatedNet:
    torch.manual_seed(0)
    return DilatedNet(1, 3, backbone="vgg11", fc_channels=8, **settings)


def _mscadc(**settings: object) -> MSCADC:
    torch.manual_seed(0)
    return MSCADC(1, 3, backbone="vgg11", channels=8, **settings)


@pytest.mark.parametrize("form", ["basic", "large"])
def test_context_module_by_formula_and_by_gradient(form: str, probed_extent) -> None:
    module = ContextModule(1, form=form)
    assert _layers(module) == [(3, 1, d) for d in (1, 1, 2, 4, 8, 16, 1)] + [(1, 1, 1)]
    assert CONTEXT_DILATIONS == (1, 1, 2, 4, 8, 16, 1, 1)
    fields = [receptive_field(_layers(module)[:n]) for n in range(1, 9)]
    assert fields == [3, 5, 9, 17, 33, 65, 67, 67]  # table 1 of the paper
    assert probed_extent(module, 75) == 67


def test_context_module_widths_of_the_paper() -> None:
    widths = [conv.out_channels for conv in _convs(ContextModule(3, form="large"))]
    assert widths == [6, 6, 12, 24, 48, 96, 96, 3]
    assert {conv.out_channels for conv in _convs(ContextModule(3))} == {3}
    # the paper counts about 64 C^2 weights for the basic module: 7 x 9 + 1
    assert sum(conv.weight.numel() for conv in _convs(ContextModule(3))) == 64 * 3**2


def test_context_module_starts_as_the_identity() -> None:
    x = torch.rand(2, 3, 20, 17)
    assert torch.equal(ContextModule(3)(x), x)
    torch.testing.assert_close(ContextModule(3)(-x), torch.zeros_like(x))


def test_large_context_module_starts_near_the_identity_and_unlike_in_each_channel() -> None:
    torch.manual_seed(0)
    module = ContextModule(3, form="large")
    x = torch.rand(1, 3, 20, 17)
    torch.testing.assert_close(module(x), x, rtol=0, atol=0.15)
    first = module.layers[0].weight
    assert not torch.equal(first[0], first[1])
    for conv in _convs(module):
        middle = conv.kernel_size[0] // 2
        kept = conv.weight[:, :, middle, middle].detach().sum(1)  # copies of a map, times what each of them holds
        torch.testing.assert_close(kept, torch.full_like(kept, conv.in_channels / conv.out_channels), rtol=0.2, atol=0)


def test_front_end_of_the_paper(probed_extent) -> None:
    with torch.device("meta"):
        network = DilatedNet(3, 21)
    assert [stage.shape[2:] for stage in network.backbone.stages(torch.empty(1, 3, 64, 96, device="meta"))] == [
        (64, 96), (32, 48), (16, 24), (8, 12), (8, 12),
    ]  # fmt: skip
    rates = [{conv.dilation[0] for conv in _convs(network.backbone.stage(index))} for index in range(5)]
    assert rates == [{1}, {1}, {1}, {1}, {2}]
    assert _layers(network.dense) == [(7, 1, 4), (1, 1, 1)]
    assert probed_extent(DilatedNet(1, 2, backbone="vgg11", fc_channels=4).dense[:1], 35, 512) == 25


def test_parameters_of_the_paper() -> None:
    with torch.device("meta"):
        network = DilatedNet(3, 21)
    front_end = 134_260_544 + 4097 * 21
    assert sum(p.numel() for p in network.parameters()) == front_end + 64 * 21**2 + 8 * 21


def test_context_works_on_scores_and_the_front_ends_own_are_auxiliary() -> None:
    network = _dilated().train()
    network.dense.eval()
    logits, auxiliary = network(torch.randn(1, 1, 40, 41))
    assert logits.shape == auxiliary.shape == (1, 3, 40, 41)
    auxiliary.sum().backward(retain_graph=True)
    assert all(p.grad is None for p in network.context.parameters())
    assert network.score.bias.grad is not None
    logits.sum().backward()
    assert all(p.grad is not None for p in network.context.parameters())
    assert isinstance(network.eval()(torch.randn(1, 1, 40, 41)), torch.Tensor)


def test_front_end_alone_gives_what_goes_into_the_context_module() -> None:
    x = torch.randn(1, 1, 40, 48)
    with_context, alone = _dilated().eval(), _dilated(context="none").train()
    alone.dense.eval()
    with_context.context = nn.Identity()
    with torch.inference_mode():
        torch.testing.assert_close(alone(x), with_context(x))


@pytest.mark.parametrize("context", ["basic", "large"])
def test_weights_of_the_front_end_alone_load_into_the_whole(context: str) -> None:
    alone, whole = _dilated(context="none"), _dilated(context=context)
    nn.init.constant_(alone.score.bias, 2.0)
    missing, unexpected = whole.load_state_dict(alone.state_dict(), strict=False)
    assert not unexpected
    assert {name.partition(".")[0] for name in missing} == {"context"}
    assert whole.score.bias.tolist() == [2.0] * 3


@pytest.mark.parametrize("parallel", [False, True])
def test_mscadc_aggregates_features_by_dilations_2_4_8_16(parallel: bool, probed_extent) -> None:
    network = _mscadc(parallel=parallel)
    assert _layers(network.aggregation) == [(3, 1, rate) for rate in (2, 4, 8, 16)]
    assert network.classifier.in_channels == (32 if parallel else 8)
    assert [conv.in_channels for conv in _convs(network.aggregation)] == [512] + [512 if parallel else 8] * 3
    assert {conv.dilation[0] for conv in _convs(network.backbone.stage(4))} == {2}
    if not parallel:
        assert receptive_field(_layers(network.aggregation)) == 61
        assert probed_extent(nn.Sequential(*network.aggregation), 69, 512) == 61


def test_mscadc_branches_see_the_same_features() -> None:
    network = _mscadc(parallel=True, rates=(2, 3)).eval()
    seen: list[torch.Tensor] = []
    for branch in network.aggregation:
        branch.register_forward_hook(lambda _, inputs, out: seen.extend((inputs[0], out)))
    joined: list[torch.Tensor] = []
    network.classifier.register_forward_hook(lambda _, inputs, __: joined.append(inputs[0]))
    with torch.inference_mode():
        network(torch.randn(1, 1, 24, 24))
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(joined[0], torch.cat([seen[1], seen[3]], dim=1))


def test_mscadc_stack_passes_on() -> None:
    network = _mscadc().eval()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    for layer in network.aggregation:
        layer.register_forward_hook(lambda _, inputs, out: seen.append((inputs[0], out)))
    with torch.inference_mode():
        network(torch.randn(1, 1, 24, 24))
    assert all(torch.equal(before[1], after[0]) for before, after in pairwise(seen))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_mscadc_parameters_by_hand(batch_norm: bool) -> None:
    vgg11 = 9_220_480 - 2 * 9 * 64 + (2 * 2752 if batch_norm else 0)  # one channel in; normalised on 2752 channels
    aggregation = 9 * 512 * 8 + 3 * 9 * 8 * 8 + 4 * 8 * (2 if batch_norm else 1)
    assert sum(p.numel() for p in _mscadc(batch_norm=batch_norm).parameters()) == vgg11 + aggregation + 8 * 3 + 3


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="form must be one of"):
        _dilated(context="huge")
    for rates in ((), (2, 0)):
        with pytest.raises(ConfigError, match="at least one rate"):
            _mscadc(rates=rates)
