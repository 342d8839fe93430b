"""A node with a stand-in for the network, studies to send it, and a real Orthanc."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests

from pipeline.app.node.sections import read_section
from pipeline.app.node.settings import NodeSettings
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine
from tests.app.node.helpers import Orthanc, free_port, node_content, wait_for


@pytest.fixture(scope="session")
def image_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of a small study."""
    phantom = make_cine(make_patient(11), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    return write_study(phantom, tmp_path_factory.mktemp("sent"), extras=False)


@pytest.fixture(scope="session")
def study_of(image_files: list[Path]) -> Callable[[int], list[pydicom.Dataset]]:
    """The same images as a study of another patient, by number."""

    def study(number: int) -> list[pydicom.Dataset]:
        images = [pydicom.dcmread(path) for path in image_files]
        for n, image in enumerate(images):
            image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.3.{number}", f"1.2.3.{number}.1"
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}.1.{n + 1}"
            image.PatientID, image.PatientName = f"ID-{number:04d}", f"Secret^Patient{number}"
        return images

    return study


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[..., NodeSettings]:
    """Settings of a node, with sections changed."""

    def settings(**changed: Any) -> NodeSettings:
        return read_section(NodeSettings, node_content(tmp_path / "node", **changed), "")

    return settings


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A real Orthanc with DICOMweb on free ports, in a folder of its own."""
    program = shutil.which("Orthanc")
    plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
    if program is None or not plugin.exists():
        pytest.skip("needs Orthanc and its DICOMweb (Debian: apt-get install orthanc orthanc-dicomweb)")
    folder = tmp_path_factory.mktemp("orthanc")
    dicom_port, http_port = free_port(), free_port()
    configuration = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(plugin)],
        "DicomPort": dicom_port,
        "DicomAet": "ORTHANC",
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "DicomServerEnabled": True,
        "DicomModalitiesInDatabase": True,
        "OverwriteInstances": False,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    server = Orthanc(dicom_port, f"http://127.0.0.1:{http_port}", process)

    def answers() -> bool:
        try:
            return "Version" in server.get("/system")
        except requests.RequestException:
            return False

    try:
        wait_for(answers, alive=server.is_alive)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
