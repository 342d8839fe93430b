"""`python -m MODULE` in a process of its own that has its libraries already: it is forked from one that imported them.

Importing torch, MONAI and this library takes seconds. `multiprocessing`'s fork server does so once, and then forks a
process for each command. What a command does to its process harms no other, as if it were started anew.
"""

from __future__ import annotations

import os
import runpy
import sys
import warnings
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path

__all__ = ["LIBRARIES", "Forked"]

LIBRARIES = ["monai.bundle.scripts", "torch.utils.tensorboard", "pipeline.app.predict", "pipeline.app.training"]


class Forked:
    """A command that runs.

    Args:
        arguments: a module, and what follows it on the command line.
        cwd: folder to run in.
        env: changes to the environment.
        output: file that receives all that it prints.
    """

    def __init__(self, *arguments: str, cwd: Path, env: Mapping[str, str], output: Path) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(LIBRARIES)
        self.arguments, self.output = arguments, output
        self._process = context.Process(target=_run, args=(arguments, str(cwd), dict(env), str(output)))
        self._process.start()

    def require_success(self) -> None:
        """Wait for its end, and fail with what it printed if it failed."""
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        assert code == 0, f"{' '.join(self.arguments)}\n{self.output.read_text()[-8000:]}"


def _run(arguments: tuple[str, ...], cwd: str, env: dict[str, str], output: str) -> None:
    with Path(output).open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.chdir(cwd)
    os.environ.update(env)
    sys.path.insert(0, cwd)
    sys.argv = list(arguments)
    warnings.simplefilter("ignore")
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
