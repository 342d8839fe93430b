"""A bundle's network as a file for other runtimes, written only if it gives the network's own logits at two sizes."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import save_net_with_metadata
from torch import nn

from pipeline.app.bundles import apply_overrides
from pipeline.core.errors import BundleError, ConfigError, first_line
from pipeline.core.files import replacing
from pipeline.core.versions import require
from pipeline.infer.weights import load_weights

__all__ = ["FORMATS", "Exported", "export_bundle", "export_network", "largest_difference"]

_TOLERANCE = 1e-4
"""Of a logit, relative to the largest one: single precision in another order of operations."""
_STEP, _DEPTHS = 32, (16, 32)
"""Sizes differ by multiples of this, which networks with five levels take; slices of a stack, for networks in 3D."""
_LOUD = ("torch.onnx", "onnxscript", "onnx_ir")

Run = Callable[[torch.Tensor], torch.Tensor]
Files = Mapping[str, Any]


@dataclass(frozen=True)
class _Format:
    """A way to write a network: `write(network, example, about)` gives the file's content, `open` one that runs."""

    write: Callable[[nn.Module, torch.Tensor, Files], bytes]
    open: Callable[[bytes], Run]


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
    the bundle's window and at another size and number of slices.

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
    metadata = json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8"))
    about = {"metadata": metadata, "inference": parser.get()}
    content, differences = export_network(network, images, about, format_name=format_name)
    with replacing(target) as partial:
        partial.write_bytes(content)
    return Exported(target, differences)


def export_network(
    network: nn.Module, images: Sequence[torch.Tensor], about: Files, *, format_name: str
) -> tuple[bytes, dict[tuple[int, ...], float]]:
    """Write a network and compare what was written with it.

    Args:
        network: in evaluation, on the CPU.
        images: inputs (N, C, X, Y[, Z]) of several sizes; the first is the one that it is traced with.
        about: goes with it, JSON-ready, by name: `metadata` and `inference`.
        format_name: one of `FORMATS`.

    Returns:
        The file's content, and as `Exported.differences`.

    Raises:
        ConfigError: the format's packages are not installed.
        BundleError: the format cannot hold the network, or would give other logits.
    """
    content = _write(network, images[0], about, format_name=format_name)
    return content, _compare(network, content, images, format_name=format_name)


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
    """Inputs of two sizes, in the range of z-scored images, the same each time."""
    random = torch.Generator().manual_seed(0)
    in_3d = any(isinstance(module, nn.Conv3d) for module in network.modules())
    x, y = (max(_STEP, int(side)) for side in window)
    sizes = [(2, channels, x, y), (3, channels, x + _STEP, y + 2 * _STEP)]
    deep = [(depth,) if in_3d else () for depth in _DEPTHS]
    return [torch.randn(*size, *depth, generator=random) for size, depth in zip(sizes, deep, strict=True)]


def _write(network: nn.Module, example: torch.Tensor, about: Files, *, format_name: str) -> bytes:
    try:
        with _quiet():
            return FORMATS[format_name].write(network, example, about)
    except ImportError as error:
        raise ConfigError(
            f"an export to {format_name} needs {error.name}: pip install 'cardiac-mr-pipeline[export]'"
        ) from error
    except Exception as error:  # torch's compilers raise whatever stops them
        others = " or ".join(name for name in FORMATS if name != format_name)
        raise BundleError(
            f"{type(network).__name__} cannot be written as {format_name} ({first_line(error)}); try {others}"
        ) from error


def _compare(
    network: nn.Module, content: bytes, images: Sequence[torch.Tensor], *, format_name: str
) -> dict[tuple[int, ...], float]:
    """Run what was written beside the network.

    Raises:
        BundleError: it gives other logits at one of the sizes, or none.
    """
    differences: dict[tuple[int, ...], float] = {}
    for image in images:
        size = tuple(image.shape)
        with torch.inference_mode():
            wanted = network(image)
        try:
            with _quiet(), torch.inference_mode():
                differences[size] = largest_difference(FORMATS[format_name].open(content)(image), wanted)
        except Exception as error:  # a size that was fixed when it was written
            raise BundleError(
                f"{_not_written(network, format_name)}: at {size} it fails ({first_line(error)})"
            ) from error
        allowed = _TOLERANCE * max(1.0, float(wanted.abs().max()))
        if not differences[size] <= allowed:
            raise BundleError(
                f"{_not_written(network, format_name)}: at {size} its logits differ by {differences[size]:.2g}, "
                f"more than {allowed:.2g}"
            )
    return differences


def _not_written(network: nn.Module, format_name: str) -> str:
    return f"{type(network).__name__} was not written, as its {format_name} form would not give the network's results"


def _write_torchscript(network: nn.Module, example: torch.Tensor, about: Files) -> bytes:  # noqa: ARG001, all alike
    stream, configs = io.BytesIO(), {"inference.json": json.dumps(about["inference"], default=str).encode()}
    save_net_with_metadata(
        torch.jit.script(network), stream, meta_values=dict(about["metadata"]), more_extra_files=configs
    )
    return stream.getvalue()


def _write_program(network: nn.Module, example: torch.Tensor, about: Files) -> bytes:
    stream, texts = io.BytesIO(), {f"{name}.json": json.dumps(part, default=str) for name, part in about.items()}
    program = torch.export.export(network, (example,), dynamic_shapes=(_free_sizes(example),))
    torch.export.save(program, stream, extra_files=texts)
    return stream.getvalue()


def _write_onnx(network: nn.Module, example: torch.Tensor, about: Files) -> bytes:
    import onnx
    import onnxscript  # noqa: F401, torch.onnx needs it, and tells its absence less plainly

    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"], "verbose": False}
    program = torch.onnx.export(network, (example,), dynamo=True, dynamic_shapes=(_free_sizes(example),), **names)
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, {name: json.dumps(part, default=str) for name, part in about.items()})
    return bytes(model.SerializeToString())


def _free_sizes(example: torch.Tensor) -> dict[int, Any]:
    """All axes but that of the channels may have another size."""
    return {axis: torch.export.Dim.AUTO for axis in range(example.ndim) if axis != 1}


def _open_torchscript(content: bytes) -> Run:
    scripted: Run = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    return scripted


def _open_program(content: bytes) -> Run:
    program: Run = torch.export.load(io.BytesIO(content)).module()
    return program


def _open_onnx(content: bytes) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(image: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: image.numpy()})[0])

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters from telling of operators and packages that no network here uses."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


FORMATS = {
    "torchscript": _Format(_write_torchscript, _open_torchscript),
    "export": _Format(_write_program, _open_program),
    "onnx": _Format(_write_onnx, _open_onnx),
}
"""Formats by the names that `cmr bundle export --format` takes."""
