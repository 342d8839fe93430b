"""Several processes, one a device: what `configs/multi_gpu_train.yaml` needs of `torch.distributed`."""

from __future__ import annotations

import os

import torch
import torch.distributed

__all__ = ["local_device", "start"]


def local_device() -> torch.device:
    """The device of this process: its own GPU where there is CUDA, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def start() -> None:
    """Join the process group that `torchrun` describes: NCCL on GPUs, gloo on CPUs; nothing if already joined."""
    if torch.distributed.is_initialized():
        return
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(local_device())
