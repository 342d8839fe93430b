"""Does the wheel work in an environment that has nothing, on another Python, with the lowest or newest dependencies?

    python -m build --outdir dist
    python benchmarks/install.py dist/*.whl OUT --python python3.13                 # the newest that its ranges allow
    python benchmarks/install.py dist/*.whl OUT --python python3.10 --lowest        # the lowest that they state
    python benchmarks/install.py dist/*.whl OUT --pins constraints.txt

Makes an environment in OUT, installs the wheel there, and runs `cmr demo` and `cmr segment` by it: from another folder,
in which a `pipeline.py` lies, and without a network where the system can take it away (`unshare`). Installing needs a
package index, and takes gigabytes where it has torch for CUDA alone. `benchmarks/same_results.py compare OUT/studies
OTHER/studies` then tells whether two such environments agree.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import time
import zipfile
from email.parser import Parser
from pathlib import Path

SHOWN = ("torch", "numpy", "monai", "pytorch-ignite", "scipy", "scikit-image", "pydicom", "highdicom")


def lowest(wheel: Path) -> list[str]:
    """The wheel's requirements, extras aside, each at the lowest version that it states."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        wanted = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])
    return [re.sub(r"^([\w.-]+).*>=([\w.]+).*$", r"\1==\2", line) for line in wanted if "extra ==" not in line]


def install(python: str, folder: Path, packages: list[str]) -> Path:
    """Make an environment with these packages; its folder of commands."""
    run([python, "-m", "venv", "--clear", folder])
    commands = folder / "bin"
    run([commands / "python", "-m", "pip", "install", "--quiet", *packages])
    run([commands / "python", "-m", "pip", "check"])
    return commands


def use(commands: Path, folder: Path) -> None:
    """Run the commands from a folder of a user who calls things `pipeline`, too."""
    folder.mkdir()
    (folder / "pipeline.py").write_text("raise SystemExit('the user's own')", encoding="utf-8")
    where = "from pipeline.core.shipped import SAMPLE; print(SAMPLE)"
    sample = run([commands / "python", "-c", f"import sys; sys.path.remove(''); {where}"], cwd=folder).strip()
    shutil.copytree(Path(sample) / "dicom", folder / "study")
    alone = ["unshare", "--map-root-user", "--net"] if shutil.which("unshare") else []
    for command in (["cmr", "demo", "demo"], ["cmr", "segment", "study", "-o", "../studies"]):
        start = time.perf_counter()
        print(run([*alone, commands / command[0], *command[1:]], cwd=folder))
        print(f"{' '.join(command)}: {time.perf_counter() - start:.1f} s\n", flush=True)


def run(command: list[str | Path], cwd: Path | None = None) -> str:
    """Run a command; what it says, or the end of this script with it."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main() -> None:
    """Read the arguments and do all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--python", default="python3")
    parser.add_argument("--lowest", action="store_true")
    parser.add_argument("--pins", type=Path)
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    out.mkdir(parents=True)
    extra = lowest(chosen.wheel) if chosen.lowest else ["--constraint", str(chosen.pins)] if chosen.pins else []
    commands = install(chosen.python, out / "environment", [str(chosen.wheel), *extra])
    listed = run([commands / "python", "-m", "pip", "list", "--format", "freeze"]).splitlines()
    print(
        run([commands / "python", "--version"]).strip(), *(line for line in listed if line.startswith(SHOWN)), sep="\n"
    )
    use(commands, out / "user")


if __name__ == "__main__":
    main()
