"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.images import Cine
from pipeline.networks.registry import NETWORKS
from pipeline.phantom.dicom import LAYOUTS, write_study
from pipeline.phantom.study import PhantomStudy
from pipeline.read.cine import read_cine


@pytest.fixture(scope="session", autouse=True)
def _segment_in_this_process() -> Iterator[None]:
    """`cmr segment` starts no processes, which import torch for seconds, unless a test asks for them (`--jobs`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CMR_JOBS", "0")
        yield


@pytest.fixture(scope="session")
def cmr_data() -> Path:
    """The folder of real patients' data; the test is skipped where `CMR_DATA` does not name one."""
    folder = os.environ.get("CMR_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real data: set CMR_DATA to the folder that holds acdc/ and sunnybrook/")
    return Path(folder)


@pytest.fixture(scope="session")
def is_alive() -> Callable[[int], bool]:
    """Whether a process runs, by its number; one that has ended and is not waited for yet does not."""

    def alive(process: int) -> bool:
        try:
            return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
        except OSError:
            return False

    return alive


@pytest.fixture(scope="module")
def cines(study: PhantomStudy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cine]:
    """The module's own `study` as read from DICOM, by layout."""
    folder = tmp_path_factory.mktemp("layouts")
    for layout in LAYOUTS:
        write_study(study, folder / layout, layout=layout)
    return {layout: read_cine(folder / layout) for layout in LAYOUTS}


@pytest.fixture(scope="module")
def cine(cines: dict[str, Cine]) -> Cine:
    """The module's own `study` as read from one DICOM series."""
    return cines["one_series"]


@pytest.fixture(scope="session")
def small_settings() -> Callable[[str], dict[str, Any]]:
    """Settings that make a network of `NETWORKS` small, by name: the slightest backbone of its kind, few channels."""

    def settings(name: str) -> dict[str, Any]:
        usual = NETWORKS[name].options()
        backbone = "vgg11" if str(usual.get("backbone")).startswith("vgg") else "resnet18"
        small = {"backbone": backbone, "fc_channels": 8, "base_channels": 4, "filters": 4, "growth": 4}
        return {key: value for key, value in small.items() if key in usual}

    return settings


@pytest.fixture(scope="session")
def checker_errors() -> Callable[[Path, str], list[str]]:
    """What dciodvfy calls an error in a file of the kind that it must take it for; skips where it is not installed."""

    def errors(path: Path, kind: str) -> list[str]:
        if shutil.which("dciodvfy") is None:
            pytest.skip("needs dciodvfy, of the Debian package dicom3tools")
        ran = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        lines = (ran.stdout + ran.stderr).splitlines()
        assert any(kind in line for line in lines), lines
        return [line for line in lines if line.startswith("Error")]

    return errors


@pytest.fixture(scope="module")
def open_browser() -> Iterator[Callable[..., Any]]:
    """Opens headless Chromium by its window's size and further arguments; console and requests are kept."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    with ExitStack() as opened:

        def start(width: int, height: int, *arguments: str) -> Any:
            options = webdriver.ChromeOptions()
            options.binary_location = chromium
            usual = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},{height}")
            for argument in (*usual, *arguments):
                options.add_argument(argument)
            options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
            session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
            opened.callback(session.quit)
            return session

        yield start
