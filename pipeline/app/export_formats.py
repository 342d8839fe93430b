"""The formats that a network can be written in: how each is written, and how what was written is run."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from monai.data import save_net_with_metadata
from torch import nn

__all__ = ["FORMATS", "Format", "Run", "Texts", "quiet"]

_LOUD = ("torch.onnx", "onnxscript", "onnx_ir")

Run = Callable[[torch.Tensor], torch.Tensor]
"""A network in another runtime: images (N, C, X, Y[, Z]) float32 on the CPU -> logits."""
Texts = Mapping[str, Any]
"""What goes with a network, JSON-ready, by name: `metadata` and `inference`."""


@dataclass(frozen=True)
class Format:
    """A way to write a network.

    Attributes:
        write: (network in evaluation on the CPU, example input, texts) -> the file's content.
        open: content -> what runs it.
        packages: that it needs beyond this library's own.
    """

    write: Callable[[nn.Module, torch.Tensor, Texts], bytes]
    open: Callable[[bytes], Run]
    packages: tuple[str, ...] = ()


@contextmanager
def quiet() -> Iterator[None]:
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


def _write_torchscript(network: nn.Module, example: torch.Tensor, texts: Texts) -> bytes:  # noqa: ARG001, all alike
    stream, configs = io.BytesIO(), {"inference.json": json.dumps(texts["inference"]).encode()}
    scripted = torch.jit.script(network)
    save_net_with_metadata(scripted, stream, meta_values=dict(texts["metadata"]), more_extra_files=configs)
    return stream.getvalue()


def _write_program(network: nn.Module, example: torch.Tensor, texts: Texts) -> bytes:
    stream, files = io.BytesIO(), {f"{name}.json": json.dumps(part) for name, part in texts.items()}
    program = torch.export.export(network, (example,), dynamic_shapes=(_free_sizes(example),))
    torch.export.save(program, stream, extra_files=files)
    return stream.getvalue()


def _write_onnx(network: nn.Module, example: torch.Tensor, texts: Texts) -> bytes:
    import onnx

    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"], "verbose": False}
    program = torch.onnx.export(network, (example,), dynamo=True, dynamic_shapes=(_free_sizes(example),), **names)
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, {name: json.dumps(part) for name, part in texts.items()})
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


FORMATS = {
    "torchscript": Format(_write_torchscript, _open_torchscript),
    "export": Format(_write_program, _open_program),
    "onnx": Format(_write_onnx, _open_onnx, packages=("onnx", "onnxscript", "onnxruntime")),
}
"""Formats by the names that `cmr bundle export --format` takes."""
