"""Field of view of a network, computed layer by layer from its exported graph. Its weights play no part."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.fx import Node

__all__ = ["field_of_view"]


class _Span(NamedTuple):
    """First and last position along X."""

    low: int
    high: int


class _Layer(NamedTuple):
    """Arguments of a layer by name, sizes of its input and output, and which axis is X.

    `axis` counts from the end, since stacked tensors have an extra axis in front: -2 of (N, C, X, Y), -3 with Z.
    """

    arguments: Mapping[str, Any]
    n_in: int
    n_out: int
    axis: int

    def along_x(self, name: str) -> int:
        """An argument that has an entry for each spatial axis, or one for all, or is left out for the kernel's size."""
        given = self.arguments[name]
        values = [given] if isinstance(given, int) else list(given or self.arguments["kernel_size"])
        return int(values[0])


def field_of_view(network: nn.Module, shape: Sequence[int]) -> int:
    """Pixels along X on which the logits of an image's middle pixel depend, counted between the outermost ones.

    Works back from the middle of the output through every layer's arithmetic (Dumoulin and Visin, arXiv 1603.07285,
    2016) and merges what branches read. Pixels beyond the image's edge do not count: a branch that averages the image,
    and a view wider than it, give the image's size. The indices of a maximum pooling count as reading its window.
    Layers that keep the size and are none of convolution, pooling, resizing, padding and cropping count as pointwise.

    Args:
        network: in evaluation mode, accepted by `torch.export`, with logits of the size of its input.
        shape: of its input, (N, C, X, Y) or (N, C, X, Y, Z).

    Raises:
        NotImplementedError: a layer that changes sizes in a way not known here.
    """
    axis = 2 - len(shape)
    program = torch.export.export(network, (torch.zeros(*shape),))
    (image,), (logits,) = program.graph_signature.user_inputs, program.graph_signature.user_outputs
    read: dict[str, _Span] = {str(logits): _Span(shape[2] // 2, shape[2] // 2)}
    for node in reversed(program.graph.nodes):
        if node.op == "call_function" and node.name in read:
            for source in node.all_input_nodes:
                if source.op == "placeholder" and source.name != image:
                    continue  # a parameter or a buffer
                span = _span_read(node, source, read[node.name], axis)
                other = read.get(source.name, span)
                read[source.name] = _Span(min(span.low, other.low), max(span.high, other.high))
    return read[str(image)].high - read[str(image)].low + 1


def _span_read(node: Node, source: Node, span: _Span, axis: int) -> _Span:
    """Span of one of a layer's inputs that it reads to give `span`."""
    n_in, n_out = _size(source, axis), _size(node, axis)
    reads = _READS.get(getattr(node.target, "overloadpacket", None), _pointwise)
    span = reads(span, _Layer(_arguments(node), n_in, n_out, axis))
    return _Span(*(min(max(position, 0), n_in - 1) for position in span))


def _size(node: Node, axis: int) -> int:
    """Positions along X, for a layer with several outputs in the first."""
    value = node.meta["val"]
    return int((value[0] if isinstance(value, tuple | list) else value).shape[axis])


def _arguments(node: Node) -> dict[str, Any]:
    """By name, those left out by their defaults."""
    if not hasattr(node.target, "_schema"):  # Python's own, as taking one of several outputs
        return {}
    schema = node.target._schema.arguments
    given = dict(zip((argument.name for argument in schema), node.args, strict=False))
    return {argument.name: argument.default_value for argument in schema} | given | dict(node.kwargs)


def _pointwise(span: _Span, layer: _Layer) -> _Span:
    """Also layers along other axes, means over all of X, and what repeats a mean."""
    if layer.n_in == layer.n_out:
        return span
    if layer.n_in == 1 or layer.n_out == 1:
        return _Span(0, layer.n_in - 1)
    raise NotImplementedError(f"a layer that makes {layer.n_out} positions of {layer.n_in} is not known here")


def _convolution(span: _Span, layer: _Layer) -> _Span:
    """Output o reads i = o s - p + j d, j from 0 to k - 1."""
    stride, padding, reach = layer.along_x("stride"), layer.along_x("padding"), _reach(layer)
    return _Span(span.low * stride - padding, span.high * stride - padding + reach)


def _transpose(span: _Span, layer: _Layer) -> _Span:
    """Output o is reached from i where o = i s - p + j d."""
    stride, padding, reach = layer.along_x("stride"), layer.along_x("padding"), _reach(layer)
    return _Span(math.ceil((span.low + padding - reach) / stride), (span.high + padding) // stride)


def _reach(layer: _Layer) -> int:
    """Positions between the first and the last that the kernel touches."""
    if "weight" in layer.arguments:
        kernel = int(layer.arguments["weight"].meta["val"].shape[layer.axis])
    else:
        kernel = layer.along_x("kernel_size")
    return (kernel - 1) * (layer.along_x("dilation") if "dilation" in layer.arguments else 1)


def _unpooling(span: _Span, layer: _Layer) -> _Span:
    """Each position of the input fills one of a window of its own."""
    window = math.ceil(layer.n_out / layer.n_in)
    return _Span(span.low // window, span.high // window)


def _bilinear(span: _Span, layer: _Layer) -> _Span:
    scale = layer.n_in / layer.n_out
    if layer.arguments["align_corners"]:
        scale = (layer.n_in - 1) / max(layer.n_out - 1, 1)
        return _Span(math.floor(span.low * scale), math.ceil(span.high * scale))
    return _Span(math.floor((span.low + 0.5) * scale - 0.5), math.ceil((span.high + 0.5) * scale - 0.5))


def _antialias(span: _Span, layer: _Layer) -> _Span:
    """A triangle as wide as two pixels of the coarser grid; its ends weigh nothing."""
    scale = layer.n_in / layer.n_out
    half = max(scale, 1.0)
    low, high = ((position + 0.5) * scale - 0.5 for position in span)
    return _Span(math.floor(low - half) + 1, math.ceil(high + half) - 1)


def _nearest(span: _Span, layer: _Layer) -> _Span:
    return _Span(*(position * layer.n_in // layer.n_out for position in span))


def _adaptive(span: _Span, layer: _Layer) -> _Span:
    low, high = span.low * layer.n_in // layer.n_out, math.ceil((span.high + 1) * layer.n_in / layer.n_out) - 1
    return _Span(low, high)


def _padding(span: _Span, layer: _Layer) -> _Span:
    """Amounts are given from the last axis on, two an axis."""
    before = layer.arguments["pad"][2 * (-layer.axis - 1)]
    return _Span(span.low - before, span.high - before)


def _crop(span: _Span, layer: _Layer) -> _Span:
    if layer.n_in == layer.n_out:
        return span
    start = layer.arguments["start"]
    return _Span(span.low + start, span.high + start)


_READS: Mapping[object, Callable[[_Span, _Layer], _Span]] = MappingProxyType(
    {
        torch.ops.aten.conv2d: _convolution,
        torch.ops.aten.conv3d: _convolution,
        torch.ops.aten.max_pool2d: _convolution,
        torch.ops.aten.max_pool2d_with_indices: _convolution,
        torch.ops.aten.max_pool3d: _convolution,
        torch.ops.aten.avg_pool2d: _convolution,
        torch.ops.aten.conv_transpose2d: _transpose,
        torch.ops.aten.conv_transpose3d: _transpose,
        torch.ops.aten.max_unpool2d: _unpooling,
        torch.ops.aten.upsample_bilinear2d: _bilinear,
        torch.ops.aten._upsample_bilinear2d_aa: _antialias,
        torch.ops.aten.upsample_nearest2d: _nearest,
        torch.ops.aten.adaptive_avg_pool2d: _adaptive,
        torch.ops.aten.pad: _padding,
        torch.ops.aten.narrow: _crop,
    }
)
"""Layers that move positions along X. All others that keep its size are taken as pointwise along it."""
