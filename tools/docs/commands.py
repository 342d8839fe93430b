"""Whether a command in the documentation is one that the program it calls would take, without running it."""

from __future__ import annotations

import ast
import functools
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from pipeline.app.bundles import find_bundle
from pipeline.app.cli import app
from pipeline.app.named import named_parts
from pipeline.app.settings import check_settings, parse_settings

__all__ = ["ROOT", "DocumentationError", "check_command", "check_syntax", "simple_commands"]

ROOT = Path(__file__).parents[2]
FOREIGN = frozenset(
    {
        *(".", "cd", "cp", "echo", "export", "kill", "mkdir", "unzip"),  # of the shell and the system
        *("apt-get", "curl", "docker", "git", "npm", "openssl", "scp", "ssh", "systemctl"),
        *("dciodvfy", "echoscu", "findscu", "orthanc", "storescu"),  # of DICOM
        *(
            "mlflow",
            "monailabel",
            "ray",
            "sbatch",
            "scancel",
            "squeue",
            "srun",
            "tensorboard",
        ),  # of trainings and clusters
    }
)
"""Programs that are not ours: only their lines' syntax is checked."""


class DocumentationError(Exception):
    """What the documentation says is not so."""


def check_syntax(text: str, place: str) -> None:
    """Let a shell parse the commands of a place, as page:line.

    Raises:
        DocumentationError: it is not what a shell takes.
    """
    bash = shutil.which("bash") or "/bin/bash"
    done = subprocess.run([bash, "-n", "-c", text], capture_output=True, text=True, check=False)  # noqa: S603 only parsed
    if done.returncode:
        raise DocumentationError(f"{place}: not commands of a shell: {done.stderr.strip()}")


def check_command(command: str) -> str:
    """Check a command against the program that it calls, without running it.

    Args:
        command: a line of a shell.

    Returns:
        How it was checked: "cmr", "make", "bundle", "script", "pip", "pytest", or "syntax" for another program.

    Raises:
        DocumentationError: it cannot be run as it stands.
    """
    if "<" in command and re.search(r"<\w+>", command):
        raise DocumentationError("a shell takes <name> for a file to read from; write NAME")
    checked = [_check_words(words) for words in simple_commands(command)]
    return next((one for one in checked if one != "syntax"), "syntax")


def simple_commands(command: str) -> Iterator[list[str]]:
    """The commands of a line, apart at pipes, `;` and `&&`, without assignments before them."""
    splitter = shlex.shlex(command, posix=True, punctuation_chars=";|&")
    splitter.whitespace_split, splitter.commenters = True, ""
    words: list[str] = []
    for word in [*splitter, ";"]:
        if not set(word) <= set(";|&"):
            words.append(word)
            continue
        while words and (re.match(r"\w+=", words[0]) or words[0] in ("do", "then", "nohup", "sudo", "nice", "time")):
            words = words[1:]
        if words and words[0] not in ("for", "done", "fi"):
            yield words
        words = []


def _check_words(words: Sequence[str]) -> str:
    program = Path(words[0]).name or words[0]
    rest = list(words[1:])
    if program in ("python", "python3"):
        rest = rest[1:] if rest[:1] == ["-P"] else rest
        return _check_python_call(rest)
    if program == "torchrun":
        return _check_python_call(rest[next(i for i, word in enumerate(rest) if word in ("-m", "--module")) :])
    known = {"cmr": _check_cmr, "make": _check_make, "pip": _check_pip, "pytest": _check_paths}
    if program in known:
        return known[program](rest)
    if program in FOREIGN:
        return "syntax"
    raise DocumentationError(f"{words[0]} is no program that pages may name (FOREIGN of tools/docs/commands.py)")


def _is_ours(module: str) -> bool:
    """Whether a module of this checkout is there to be run, as `pipeline.app.deploy`."""
    place = ROOT / module.replace(".", "/")
    return module.startswith(("pipeline.", "tests.")) and (
        place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()
    )


def _check_python_call(rest: list[str]) -> str:
    if rest[:1] == ["-m"]:
        module, rest = rest[1], rest[2:]
        known = {"pipeline": _check_cmr, "monai.bundle": _check_bundle_run, "pip": _check_pip, "pytest": _check_paths}
        if module in known:
            return known[module](rest)
        if module in ("venv", "http.server", "mkdocs", "build") or _is_ours(module):
            return "syntax"
        raise DocumentationError(f"python -m {module} is not known to the documentation")
    if rest[:1] == ["-c"]:
        ast.parse(rest[1])
        return "script"
    script = ROOT / rest[0]
    if not script.is_file():
        raise DocumentationError(f"there is no {rest[0]}")
    source = script.read_text("utf-8")
    for option in (word.partition("=")[0] for word in rest[1:] if word.startswith("--")):
        if f'"{option}"' not in source:
            raise DocumentationError(f"{rest[0]} has no {option}")
    return "script"


@functools.cache
def _cmr() -> Any:
    return typer.main.get_command(app)


def _check_cmr(arguments: list[str]) -> str:
    command: Any = _cmr()
    context = command.make_context(
        "cmr", list(arguments), resilient_parsing=bool({"--help", "--version"} & set(arguments))
    )
    try:
        while getattr(command, "commands", None) is not None:
            remaining = [*context._protected_args, *context.args]
            if not remaining:
                return "cmr"
            name, command, remaining = command.resolve_command(context, remaining)
            context = command.make_context(name, list(remaining), parent=context)
    except typer.Exit:
        return "cmr"
    _check_values(context.params)
    return "cmr"


def _check_values(given: dict[str, Any]) -> None:
    """Names and settings that a command line gives are ones that bundle, network and loss have."""
    named, settings = given.get("bundle"), parse_settings(given.get("settings"))
    own = given.get("network") and ":" in given["network"]
    if named is not None and "_" in str(named) and "/" not in str(named):
        find_bundle(named)
    code = {} if own else named_parts(given.get("network"), given.get("loss"))
    if settings and not own:
        root = find_bundle(named) if named and "_segmentation_" in str(named) else find_bundle(_DEFAULT)
        plain = {key: value for key, value in settings.items() if not _is_place(value)}
        check_settings(root, plain, code)


_DEFAULT = "ventricles_mr_segmentation_unet"


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and ("/" in value or value.isupper() or value.endswith(".json"))


def _check_make(arguments: list[str]) -> str:
    text = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+)\s*\?=", text, re.MULTILINE))
    for word in arguments:
        name, is_variable, _ = word.partition("=")
        if name not in (variables if is_variable else targets):
            raise DocumentationError(f"the Makefile has no {name}")
    return "make"


def _check_pip(arguments: list[str]) -> str:
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    for extras in re.findall(r"(?:cardiac-mr-pipeline|^\.)\[([\w,-]+)\]", " ".join(arguments)):
        for extra in extras.split(","):
            if not re.search(rf"^{re.escape(extra)} = \[", project, re.MULTILINE):
                raise DocumentationError(f"the package has no extra {extra}")
    return "pip"


def _check_paths(arguments: list[str]) -> str:
    for word in arguments:
        if "/" in word and not word.startswith("-") and not (ROOT / word.partition("::")[0]).exists():
            raise DocumentationError(f"there is no {word}")
    return "pytest"


def _check_bundle_run(arguments: list[str]) -> str:
    """`python -m monai.bundle run ID --config_file ... --ID VALUE`: ids and files that the bundles have."""
    if arguments[:1] != ["run"]:
        return "syntax"
    options = dict(zip(arguments[2::2], arguments[3::2], strict=True))
    files = re.findall(r"configs/[\w.]+", options.get("--config_file", "configs/inference.json"))
    config: dict[str, Any] = {}
    for name in files:
        for bundle in sorted((ROOT / "bundles").iterdir()):
            config |= json.loads((bundle / name).read_text("utf-8")) if (bundle / name).is_file() else {}
    if not config:
        raise DocumentationError(f"no bundle has {files}")
    ids = [
        arguments[1],
        *(name.removeprefix("--") for name in options if name not in ("--config_file", "--bundle_root")),
    ]
    missing = [one for one in ids if one.partition("#")[0] not in config and one not in ("meta_file", "logging_file")]
    if missing:
        raise DocumentationError(f"{files} has no {missing}")
    return "bundle"
