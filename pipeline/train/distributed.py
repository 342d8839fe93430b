"""Several processes, one a device: what `configs/multi_gpu_train.yaml` needs of `torch.distributed`."""

from __future__ import annotations

import logging
import os
import time

import torch
import torch.distributed

__all__ = ["local_device", "start_process_group", "stop_process_group"]

_WORKERS_FINISH_S = 0.5  # they need microseconds, but a busy machine may need more


def local_device() -> torch.device:
    """The device of this process: its own GPU if CUDA is available, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def start_process_group() -> None:
    """Join the process group that `torchrun` describes: NCCL on GPUs, gloo on CPUs. Does nothing if already joined.

    From then on the first process speaks for all: the others log errors alone.
    """
    if torch.distributed.is_initialized():
        return
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(local_device())
    if torch.distributed.get_rank() > 0:
        logging.disable(logging.WARNING)


def stop_process_group() -> None:
    """Leave the process group once every process has reached this point. Does nothing if there is none.

    Gloo's worker threads free the tensors of the last collectives only when Python's lock is free. A process that ends
    before them is aborted by C++ ("terminate called without an active exception"), and there is no way to know when
    they are done. Sleeping leaves them the lock.
    """
    if not torch.distributed.is_initialized():
        return
    torch.distributed.barrier()
    time.sleep(_WORKERS_FINISH_S)
    torch.distributed.destroy_process_group()
