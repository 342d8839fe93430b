"""Run the commands and the Python of a page, as it is written, in a clean folder.

    python -m tools.docs.run README.md docs/segment.md

Trainings are made short by further settings at the end of their commands. What is left out is said, with the reason.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.app.bundles import find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.errors import PipelineError
from tools.docs.blocks import SHELL, Block, collect_blocks, commands_of, documents
from tools.docs.commands import FOREIGN, ROOT, simple_commands
from tools.docs.workspace import PREPARED, QUICK, Workspace

__all__ = ["Ran", "run_page"]

LEFT_OUT = {
    r"^make setup|^(\S+/|python -m )?pip |^\. |^python3? -m venv": "makes the environment in which this runs",
    r"^(CMR_DATA=\S+ )?make (test|check|format|docs)|pytest": "is what developers run anyway",
    r"^make (review-page|audit|sbom)": "asks registries of packages",
    r"^make ": "does by cmr what other lines do",
    r"^(\S+/)?python benchmarks/": "takes hours, or data sets that are not here",
    r"pretrained=": "needs weights of others",
    r"\bV3\b": "goes on with what was left out",
    r"^cmr calibrate": "needs twenty patients",
    r"pipeline\.app\.deploy": "needs MONAI Deploy, in an environment of its own",
    r"cmr demo .*--train": "is run by tests/app/test_demo_training.py",
    r"cmr bundle (ship|render)": "changes the checkout",
    r"configs/study/protocol/": "trains at full size",
    r"cmr node .*--again": "names a study of the reader's",
    r"--engine ray|--device cuda": "needs a cluster or a GPU",
}
"""Reasons not to run a command, by what it looks like."""
SERVERS = r"^cmr (review (?!--)|node (?!.*--(check|list|again)))"
"""Commands that run until Ctrl-C."""
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Ran:
    """A command that was run, or left out for a reason; `error` is what it said if it failed."""

    place: str
    command: str
    seconds: float = 0.0
    left_out: str = ""
    error: str = ""

    def __str__(self) -> str:
        state = f"FAILED\n{self.error}" if self.error else f"left out: it {self.left_out}" if self.left_out else "ran"
        return f"{self.place}  {self.seconds:5.1f} s  {self.command}  {state}"


def run_page(page: Path, folder: Path, store: Path) -> Iterator[Ran]:
    """Run a page's blocks from top to bottom.

    Args:
        page: the Markdown file.
        folder: a new folder, in which everything happens.
        store: a folder for what several pages need.

    Yields:
        What came of each command.
    """
    space = Workspace(folder, store)
    _make_programs(folder / ".bin")
    for block in collect_blocks([page]):
        if block.language == "python":
            yield _run_python(block, space)
        elif block.language in SHELL:
            for line, command in commands_of(block):
                yield _run_command(f"{block.page}:{line}", command, space)


def _make_programs(folder: Path) -> None:
    """`cmr`, `python` and `torchrun` of this environment and checkout, first on the path."""
    folder.mkdir(parents=True)
    for name, module in {"cmr": "-m pipeline", "python": "", "torchrun": "-m torch.distributed.run"}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (folder / name).chmod(0o755)


def _run_python(block: Block, space: Workspace) -> Ran:
    for word in re.findall(r'"([\w./]+)"', block.text):
        space.provide(word)
    return _run([sys.executable, "-c", block.text], str(block), "(Python)", space.folder)


def _run_command(place: str, command: str, space: Workspace) -> Ran:
    parts = list(simple_commands(command))
    reason = next((reason for pattern, reason in LEFT_OUT.items() if re.search(pattern, command)), "")
    if not reason and all(Path(words[0]).name in FOREIGN for words in parts):
        reason = "is another program's"
    if reason:
        return Ran(place, command, left_out=reason)
    words = [word for words in parts for word in words]
    try:
        _prepare(words, space)
    except (PipelineError, RuntimeError) as error:
        return Ran(place, command, error=f"what it needs could not be made: {error}")
    cwd = _bundle_with(space, words) if "--bundle_root" in words else space.folder
    line = re.sub(r"\S+/bin/(?=cmr |python )", "", command) + _shorter(words)  # of this environment
    return _run(["bash", "-c", line], place, command, cwd, is_server=bool(re.search(SERVERS, command)))


def _prepare(words: list[str], space: Workspace) -> None:
    """Make what a command reads. A training into a folder that is there is another way to do it, not another step."""
    outputs = {after for word, after in itertools.pairwise(words) if word in ("-o", "--out")}
    resumes = "--resume" in words
    if words[:2] == ["cmr", "train"] and not resumes:
        for output in outputs:
            shutil.rmtree(space.folder / output, ignore_errors=True)
    for word in words[1:]:
        if resumes or word not in outputs:
            space.provide(_file_of(word))


def _file_of(word: str) -> str:
    """The file or folder that a word of a command names: `cases=RUN/eval/run.json`, `my_module:MyNet`."""
    module, is_class, _ = word.partition(":")
    if is_class:
        return module.partition(".")[0] if "." in module else f"{module}.py"
    return word.rpartition("=")[2]


def _bundle_with(space: Workspace, words: list[str]) -> Path:
    """A bundle's folder, in which such commands are run, with the data and weights that they need."""
    bundle = space.needs("BUNDLE")
    weights = bundle / "models/model.pt"
    if "inference" in words and not weights.exists():
        shutil.copy(find_bundle(DEFAULT_BUNDLE) / "models/model.pt", weights)
    for word in ("DATA", "STUDY"):
        if word in words and not (bundle / word).exists():
            (bundle / word).symlink_to(space.needs(word))
    return bundle


def _shorter(words: list[str]) -> str:
    """Settings that make a training short, to append to its command."""
    if "monai.bundle" in words:
        return "".join(f" --{key} '{value}'" for key, value in QUICK.items()) if "inference" not in words else ""
    if words[:2] == ["cmr", "pack"] and "DATA" in words:
        return "".join(f" --set '{key}={value}'" for key, value in PREPARED.items())
    if words[:2] in (["cmr", "train"], ["cmr", "crossvalidate"]):
        settings: dict[str, object] = {"epochs": 2} if "--resume" in words else dict(QUICK)
        return "".join(f" --set '{key}={value}'" for key, value in settings.items())
    return ""


def _run(arguments: list[str], place: str, shown: str, cwd: Path, *, is_server: bool = False) -> Ran:
    programs = next(folder / ".bin" for folder in (cwd, *cwd.parents) if (folder / ".bin").is_dir())
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "CMR_JOBS": "0"}
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    start, said = time.monotonic(), programs / "said.txt"
    with said.open("w") as output:
        process = subprocess.Popen(arguments, cwd=cwd, env=environment, stdout=output, stderr=output)  # noqa: S603
        try:
            code = _interrupt(process, said) if is_server else process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            process.kill()
            process.wait()
    error = "" if code == 0 else f"exit code {code}: {said.read_text(errors='replace')[-3000:]}"
    return Ran(place, shown, time.monotonic() - start, error=error)


def _interrupt(process: subprocess.Popen[bytes], said: Path) -> int:
    """Ctrl-C to a server as soon as it has said where it listens; its exit code, 0 for the one of Ctrl-C."""
    for _ in range(120):
        if re.search("http://|started", said.read_text(errors="replace")) or process.poll() is not None:
            break
        time.sleep(1)
    process.send_signal(signal.SIGINT)
    code = process.wait(60)
    return 0 if code in (130, -signal.SIGINT) else code


def main() -> None:
    """Run the pages that the command line names, or all; exit code 1 if a command failed."""
    pages = [Path(name).resolve() for name in sys.argv[1:]] or documents()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for page in pages:
            for ran in run_page(page, Path(folder) / page.stem, Path(folder) / "store"):
                print(ran, flush=True)
                failed += bool(ran.error)
    sys.exit(f"{failed} failed" if failed else 0)


if __name__ == "__main__":
    main()
