"""The wheel, made by way of the source archive as a release is, holds all that the checkout has, and runs alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.shipped import BUNDLES
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine

CHECKOUT = BUNDLES.parent
IN_WHEEL = {"pipeline": "pipeline", **{name: f"pipeline/shipped/{name}" for name in ("bundles", "configs", "sample")}}
SCAN = {"n_phases": 3, "n_slices": 5, "size": 48, "pixel_mm": 5.0, "step_mm": 18.0}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As by `make wheel`: from the unpacked source archive, so that both are tested; nothing is downloaded."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    _python("-m", "build", "--no-isolation", "--outdir", str(folder), cwd=CHECKOUT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment that has the wheel, and this one's packages without the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    _python("-m", "venv", "--without-pip", str(folder), cwd=CHECKOUT)
    python = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "packages.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    _python(
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-compile",
        "--no-index",
        str(wheel),
        cwd=folder,
    )
    return python


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A folder of a user who calls things as this library does."""
    (tmp_path / "pipeline.py").write_text("raise SystemExit('the user's own')")
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("raise SystemExit('the user's own')")
    return tmp_path


def _python(*arguments: str, cwd: Path) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _run(command: list[str | Path], cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1", "CMR_JOBS": "0"}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _tracked() -> Iterator[str]:
    listed = subprocess.run(
        ["git", "ls-files", *IN_WHEEL], cwd=CHECKOUT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not listed:
        pytest.skip("needs a git checkout, to tell the project's files from others")
    return (name for name in listed if not name.endswith(".gitkeep"))


def test_the_wheel_holds_the_checkout_s_files_and_no_others(wheel: Path) -> None:
    wanted = {}
    for name in _tracked():
        top, _, rest = name.partition("/")
        if (CHECKOUT / name).is_file():
            wanted[f"{IN_WHEEL[top]}/{rest}"] = _digest((CHECKOUT / name).read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        packed = {name: _digest(archive.read(name)) for name in names}
    assert packed == wanted
    assert f"pipeline/shipped/bundles/{DEFAULT_BUNDLE}/models/model.pt" in packed
    assert wheel.stat().st_size < 100_000_000  # what PyPI takes


def test_the_command_segments_beside_files_of_the_user_s_that_are_called_the_same(
    installed: Path, stranger: Path
) -> None:
    write_study(make_cine(make_patient(50), **SCAN), stranger / "study")
    done = _run([installed.parent / "cmr", "segment", "study", "-o", "out"], stranger)
    assert done.returncode == 0, done.stderr
    assert len(list((stranger / "out").glob("*/segmentation.nii.gz"))) == 1
    assert "1 study segmented" in done.stdout


def test_installed_bundles_are_not_rendered_over(installed: Path, tmp_path: Path) -> None:
    refused = _run([installed.parent / "cmr", "bundle", "render"], tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("cmr: the shipped bundles can be changed in a checkout")
