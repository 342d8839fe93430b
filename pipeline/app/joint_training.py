"""A training by several processes of this machine, started and watched as `torchrun` does."""

from __future__ import annotations

import os
import signal
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow
from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from pipeline.app.bundles import open_workflow
from pipeline.core.errors import ConfigError, PipelineError, own_error, tell
from pipeline.core.import_path import library_first
from pipeline.core.processes import describe_end, end_with_parent, n_cores

__all__ = ["require_processes", "train_jointly"]

_TOLD = ("dataset_dir", "resume", "pretrained")
"""Entries that a start of a training sets, beside what its folder has."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_MONITOR_S = 0.2


def require_processes(workflow: ConfigWorkflow, n: int) -> None:
    """Refuse what several processes cannot do together, before any is started.

    Args:
        workflow: the training.
        n: number of processes.

    Raises:
        ConfigError: a batch that they cannot share equally, or fewer GPUs than processes.
    """
    parser = workflow.parser
    batch_size = parser.get_parsed_content("batch_size")
    if batch_size % n:
        raise ConfigError(
            f"`batch_size` must be a multiple of the number of processes, which share a batch, got {batch_size} for "
            f"`--processes {n}`"
        )
    on_gpus = torch.device(parser.get_parsed_content("device")).type == "cuda"
    if on_gpus and n > torch.cuda.device_count():
        raise ConfigError(f"`--processes {n}` needs as many GPUs, got {torch.cuda.device_count()}")


def train_jointly(workflow: ConfigWorkflow, out: Path, *, n: int) -> None:
    """Train by several processes that share each batch, so that the training is that of one.

    Args:
        workflow: the training, ready to run.
        out: the run's folder.
        n: number of processes.

    Raises:
        PipelineError: what befell the first process that failed; the others are ended.
    """
    told = {key: workflow.parser[key] for key in _TOLD if key in workflow.parser}
    with tempfile.TemporaryDirectory(prefix="cmr-processes-") as logs, library_first(), _signals_as_before():
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=n,
            run_id=str(uuid.uuid4()),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,  # a run goes on by `--resume`, whoever asks for it
            monitor_interval=_MONITOR_S,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
        )
        try:
            elastic_launch(config, _train_share)(str(out), told, n)
        except ChildFailedError as error:
            raise PipelineError(_reason(error)) from error
        except SignalException as ended:
            raise KeyboardInterrupt from ended


class _ToldError(Exception):
    """What befell a process, in a sentence, on its way to the command's own process."""


def _train_share(out: str, told: Mapping[str, Any], n: int) -> None:
    """What each process does from its start to its end."""
    end_with_parent()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, n_cores() // n))
    try:
        workflow = open_workflow(
            Path(out), config=["train", "multi_gpu_train"], run_id="training", overrides={}, code=told
        )
        workflow.run()
        workflow.finalize()
    except Exception as error:
        own = own_error(error)
        if own is None:
            raise
        raise _ToldError(tell(own)) from error


def _reason(error: ChildFailedError) -> str:
    _, failure = error.get_first_failure()
    message = failure.error_file_data.get("message")
    said = str(message.get("message", "")) if isinstance(message, Mapping) else ""  # a kill leaves no file
    kind, _, sentence = said.partition(": ")
    if kind == _ToldError.__name__:
        return sentence
    return f"a process of the training failed: {said or describe_end(failure.exitcode)}; `--resume` goes on"


@contextmanager
def _signals_as_before() -> Iterator[None]:
    """Torch's launcher takes signals, and leaves them taken."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
