"""A bundle's network as a file for other runtimes, written only if it gives the network's own logits there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from torch import nn

from pipeline.app.bundles import apply_overrides
from pipeline.app.export_formats import FORMATS, Format, Run, Texts, quiet
from pipeline.core.errors import BundleError, ConfigError, first_line
from pipeline.core.files import replacing
from pipeline.core.versions import require
from pipeline.infer.weights import load_weights

__all__ = ["Exported", "export_bundle", "export_network", "largest_difference"]

_TOLERANCE = 1e-4
"""Of a logit, relative to the largest one: single precision in another order of operations."""
_STEP, _DEPTHS = 32, (16, 32, 16)
"""Sizes differ by multiples of this, which networks with five levels take; slices of a stack, for networks in 3D."""


@dataclass(frozen=True)
class Exported:
    """A network that was written.

    Attributes:
        path: the file.
        differences: size of an input (N, C, X, Y[, Z]) -> largest difference of a logit from the network's own.
    """

    path: Path
    differences: Mapping[tuple[int, ...], float]


def export_bundle(root: Path, target: Path, *, format_name: str) -> Exported:
    """Write a bundle's network, with its weights, in a format that runs without this library.

    The file takes prepared slices, (N, C, X, Y) float32, and gives logits of the same size, for any N, X and Y that the
    network takes. It holds the bundle's metadata, in ONNX as properties. What it gives is compared with the network at
    the bundle's window and at two other sizes and numbers of slices, one of them a single slice.

    Args:
        root: the bundle's folder.
        target: the file, replaced whole.
        format_name: one of `FORMATS`.

    Raises:
        ConfigError: no such format, or one whose packages are not installed.
        BundleError: no weights, a network that the format cannot hold, or a file that would give other logits; then
            nothing is written.
    """
    if format_name not in FORMATS:
        raise ConfigError(f"the format of an export must be one of {', '.join(FORMATS)}, got {format_name!r}")
    parser = ConfigParser(ConfigParser.load_config_files([str(root / "configs" / "inference.json")]))
    apply_overrides(parser, {"bundle_root": str(root), "device": "cpu"})
    get = parser.get_parsed_content
    require(get("library_version"))
    network = load_weights(get("network_def"), get("weights"), bundle_root=root).float().eval()
    images = _images(network, channels=1 + 2 * int(get("context")), window=get("window"))
    texts = {
        name: json.loads((root / "configs" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("metadata", "inference")
    }
    content, differences = export_network(network, images, texts, format_name=format_name)
    with replacing(target) as partial:
        partial.write_bytes(content)
    return Exported(target, differences)


def export_network(
    network: nn.Module, images: Sequence[torch.Tensor], texts: Texts, *, format_name: str
) -> tuple[bytes, dict[tuple[int, ...], float]]:
    """Write a network and compare what was written with it.

    Args:
        network: in evaluation, on the CPU.
        images: inputs (N, C, X, Y[, Z]) of several sizes; the first is the one that it is traced with.
        texts: goes with it, JSON-ready, by name: `metadata` and `inference`.
        format_name: one of `FORMATS`.

    Returns:
        The file's content, and as `Exported.differences`.

    Raises:
        ConfigError: the format's packages are not installed.
        BundleError: the format cannot hold the network, or would give other logits.
    """
    form = FORMATS[format_name]
    _require_packages(form, format_name)
    content = _write(network, images[0], texts, format_name=format_name)
    try:
        with quiet():
            run = form.open(content)
        return content, {tuple(image.shape): _compare(run, network, image) for image in images}
    except BundleError as error:
        kind = type(network).__name__
        raise BundleError(
            f"{kind} was not written, as its {format_name} form would not give the network's results: {error}"
        ) from error


def largest_difference(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference of a logit; infinite for another shape or where one is not finite.

    >>> largest_difference(torch.tensor([1.0, 2.5]), torch.tensor([1.0, 2.0]))
    0.5
    >>> largest_difference(torch.tensor([float("nan")]), torch.tensor([1.0]))
    inf
    """
    if found.shape != wanted.shape or not bool(found.isfinite().all()):
        return float("inf")
    return float((found - wanted).abs().max())


def _images(network: nn.Module, *, channels: int, window: Sequence[int]) -> list[torch.Tensor]:
    """Inputs of several sizes and numbers of slices, in the range of z-scored images, the same each time."""
    random = torch.Generator().manual_seed(0)
    in_3d = any(isinstance(module, nn.Conv3d) for module in network.modules())
    x, y = (max(_STEP, int(side)) for side in window)
    sizes = [(2, channels, x, y), (3, channels, x + _STEP, y + 2 * _STEP), (1, channels, x + 2 * _STEP, y)]
    deep = [(depth,) if in_3d else () for depth in _DEPTHS]
    return [torch.randn(*size, *depth, generator=random) for size, depth in zip(sizes, deep, strict=True)]


def _require_packages(form: Format, format_name: str) -> None:
    for package in form.packages:
        try:
            import_module(package)
        except ImportError as error:
            raise ConfigError(
                f"an export to {format_name} needs {package}: pip install 'cardiac-mr-pipeline[export]'"
            ) from error


def _write(network: nn.Module, example: torch.Tensor, texts: Texts, *, format_name: str) -> bytes:
    try:
        with quiet():
            return FORMATS[format_name].write(network, example, texts)
    except Exception as error:  # torch's compilers raise whatever stops them
        others = " or ".join(name for name in FORMATS if name != format_name)
        raise BundleError(
            f"{type(network).__name__} cannot be written as {format_name} ({first_line(error)}); try {others}"
        ) from error


def _compare(run: Run, network: nn.Module, image: torch.Tensor) -> float:
    """Run what was written beside the network: the largest difference of a logit.

    Raises:
        BundleError: it gives other logits, or none.
    """
    size = tuple(image.shape)
    with torch.inference_mode():
        wanted = network(image)
    try:
        with quiet(), torch.inference_mode():
            found = run(image)
    except Exception as error:  # a size that was fixed when it was written
        raise BundleError(f"at {size} it fails ({first_line(error)})") from error
    difference, allowed = largest_difference(found, wanted), _TOLERANCE * max(1.0, float(wanted.abs().max()))
    if not difference <= allowed:
        raise BundleError(f"at {size} its logits differ by {difference:.2g}, more than {allowed:.2g}")
    return difference
