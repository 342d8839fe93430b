"""Cases processed by Ray: on all cores of this machine, or on the machines of a cluster that share a disk.

Ray places each case, starts processes where there is room, and calls again for a case whose process or machine it lost.
In each of Ray's processes a process of ours holds the network, as in a run on one machine (`app.workers`). So a case
that hangs or crashes costs itself and is told in the same words, and only what Ray lost is tried again.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.app.engines import Engine, crew_with_scratch
from pipeline.app.workers import Crew, Load, Lost
from pipeline.core.errors import ConfigError, first_line
from pipeline.core.import_path import with_library_first
from pipeline.core.processes import n_cores

__all__ = ["ray_cluster"]

_RETRIES = 3
"""Calls again for a case whose process or machine was lost."""
_STORE_BYTES = 100 * 1024**2
"""Memory that Ray shares between processes: cases are named in calls, never sent."""
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would tell its makers of the run
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_oom_retries": str(_RETRIES),  # without limit otherwise
}


@contextmanager
def ray_cluster(load: Load, *, jobs: int, timeout_s: float | None) -> Iterator[Engine]:
    """The Ray cluster that `RAY_ADDRESS` names, or one of this machine that lasts as long as the context.

    Args:
        load: gives what answers calls.
        jobs: cases at once at most; 0: as many as there is room for, a core each.
        timeout_s: longest time that a case may take; `None` sets no limit.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be reached.
    """
    ray = _import_ray()
    _join(ray, jobs)
    try:
        yield _RayEngine(ray, load, jobs=jobs, timeout_s=timeout_s)
    finally:
        ray.shutdown()


class _RayEngine:
    def __init__(self, ray: ModuleType, load: Load, *, jobs: int, timeout_s: float | None) -> None:
        self._ray, self._jobs = ray, jobs
        self._call = ray.remote(num_cpus=1, num_gpus=_n_gpus(load), max_retries=_RETRIES)(_call)
        self._common = (ray.put(load), timeout_s, str(Path.cwd()))

    def told(self) -> Any:
        told = self._result(self._call.remote(*self._common))
        if isinstance(told, Lost):
            raise ConfigError(f"the bundle could not be loaded: {told.reason}")
        return told

    def answers(self, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any | Lost]]:
        waiting = deque(tasks)
        called: dict[Any, Any] = {}
        while waiting or called:
            while waiting and len(called) < self._at_once():
                task = waiting.popleft()
                called[self._call.remote(*self._common, task)] = task
            done, _ = self._ray.wait(list(called))
            for answer in done:
                yield called.pop(answer), self._result(answer)

    def _at_once(self) -> int:
        """Calls that Ray holds: one a core and as many again, so that no core waits, or those that the user allows."""
        return self._jobs or 2 * max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _result(self, answer: Any) -> Any | Lost:
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(answer)
        except exceptions.RayTaskError as error:  # raised in the call, and so true of all calls, see `Crew.answers`
            raise error.cause from None
        except exceptions.RayError as error:
            return Lost(f"Ray lost its process {_RETRIES + 1} times: {first_line(error)}")


def _call(load: Load, timeout_s: float | None, folder: str, *tasks: Any) -> Any | Lost:
    """What a process of Ray's does: answer a task, or without one, tell."""
    os.chdir(folder)  # paths mean what they mean to the command
    crew = _crew(load, timeout_s)
    if not tasks:
        return crew.told()
    ((_, answer),) = crew.answers(tasks)
    return answer


_kept: list[Crew] = []
_until_the_end = ExitStack()


def _crew(load: Load, timeout_s: float | None) -> Crew:
    """The process of ours beneath this one of Ray's, which serves one run and so one `load`."""
    if not _kept:
        _kept.append(_until_the_end.enter_context(crew_with_scratch(load, jobs=1, timeout_s=timeout_s)))
    return _kept[0]


def _import_ray() -> ModuleType:
    os.environ.update({name: os.environ.get(name, value) for name, value in _SETTINGS.items()})
    try:
        import ray
    except ImportError as error:
        raise ConfigError("`--engine ray` needs Ray: pip install 'cardiac-mr-pipeline[ray]'") from error
    return ray


def _join(ray: ModuleType, jobs: int) -> None:
    """Connect to a cluster or start one; SIGTERM stays as it was, which Ray would take."""
    address, before = os.environ.get("RAY_ADDRESS"), signal.getsignal(signal.SIGTERM)
    _keep_output_clean()
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            with _import_path_for_processes():
                ray.init(
                    address="local",
                    num_cpus=jobs or n_cores(),
                    object_store_memory=_STORE_BYTES,
                    include_dashboard=False,
                    **quiet,
                )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ConfigError(f"Ray at {address or 'this machine'} cannot be used: {first_line(error)}") from error
    finally:
        signal.signal(signal.SIGTERM, before)


def _keep_output_clean() -> None:
    """Ray prints each lost process among a command's results on the standard output, and has no setting for it."""
    from ray._private import worker

    worker._worker_logs_enabled = False


@contextmanager
def _import_path_for_processes() -> Iterator[None]:
    """Within, processes that are started import from where this one does."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(with_library_first([place for place in sys.path if place]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _n_gpus(load: Load) -> int:
    """GPUs that a process needs: it sees none that it did not ask Ray for."""
    return int(str(getattr(load, "device", None)).startswith("cuda"))
