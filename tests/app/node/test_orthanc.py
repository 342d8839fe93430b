"""A study goes from a real Orthanc to the node and comes back segmented into the same study."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests

from pipeline.app.node.sections import read_section
from pipeline.app.node.service import Node
from pipeline.app.node.settings import NodeSettings
from pipeline.app.node.work import LoadForNode
from tests.app.node.helpers import Orthanc, node_content, wait_for


@pytest.fixture(scope="module")
def images(study_of: Callable[[int], list[pydicom.Dataset]]) -> list[pydicom.Dataset]:
    return study_of(7001)


@pytest.fixture(scope="module")
def node(orthanc: Orthanc, untrained_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node beside Orthanc that really segments."""
    pacs = {"host": "127.0.0.1", "port": orthanc.dicom_port, "ae_title": "ORTHANC", "timeout_s": 120}
    web = {"url": f"{orthanc.url}/dicom-web", "timeout_s": 120}
    content = node_content(
        tmp_path_factory.mktemp("node"),
        destinations={"pacs": pacs, "web": web},
        rules=[
            {"name": "by web", "study": "*web*", "send_to": ["web"]},
            {"name": "all", "send_to": ["pacs"]},
        ],
        sources=[{"server": "web", "every_s": 2, "days": None}],
        work={"bundle": str(untrained_bundle)},
    )
    settings = read_section(NodeSettings, content, "")
    with Node(settings, LoadForNode(settings.work.bundle)) as running:
        port = running.receiver.port
        orthanc.put("/modalities/cmr", {"AET": "CMR", "Host": "127.0.0.1", "Port": port})
        yield running


def put(orthanc: Orthanc, images: list[pydicom.Dataset]) -> list[str]:
    """Let Orthanc have a study as its own; gives its numbers there."""
    found = []
    for image in images:
        buffer = io.BytesIO()
        image.save_as(buffer)
        answer = requests.post(f"{orthanc.url}/instances", data=buffer.getvalue(), timeout=20)
        found.append(answer.json()["ID"])
    return found


def made(orthanc: Orthanc, study_uid: str) -> dict[str, pydicom.Dataset]:
    """Objects that came back into a study, by kind; those of one kind by their description as well."""
    numbers = orthanc.post("/tools/find", {"Level": "Instance", "Query": {"StudyInstanceUID": study_uid}})
    found = [pydicom.dcmread(io.BytesIO(orthanc.file(number))) for number in numbers]
    return {f"{one.Modality} {one.SeriesDescription}": one for one in found if one.Modality != "MR"}


@pytest.fixture(scope="module")
def back(orthanc: Orthanc, node: Node, images: list[pydicom.Dataset]) -> dict[str, pydicom.Dataset]:
    """What comes back when Orthanc has a study and sends it by C-STORE; the node also learns of it by DICOMweb."""
    numbers = put(orthanc, images)
    orthanc.post("/modalities/cmr/store", {"Resources": numbers, "Timeout": 60})
    study = str(images[0].StudyInstanceUID)

    def whole() -> dict[str, pydicom.Dataset] | None:
        found = made(orthanc, study)
        return (
            found if {key.split()[0] for key in found} == {"SEG", "SR", "DOC"} and node.queue.counts()["sent"] else None
        )

    return wait_for(whole, alive=lambda: orthanc.is_alive() and not node.health())


def test_objects_come_back_into_the_same_study_and_patient(
    back: dict[str, pydicom.Dataset], images: list[pydicom.Dataset]
) -> None:
    assert {key.split()[0] for key in back} == {"SEG", "SR", "DOC"}
    assert {one.StudyInstanceUID for one in back.values()} == {images[0].StudyInstanceUID}
    assert {one.PatientID for one in back.values()} == {"ID-7001"}
    assert len({one.SeriesInstanceUID for one in back.values()}) == len(back)  # viewers show one object a series
    sent = {image.SOPInstanceUID for image in images}
    for key, one in back.items():
        if key.startswith("SEG"):
            referred = [item for series in one.ReferencedSeriesSequence for item in series.ReferencedInstanceSequence]
            assert {item.ReferencedSOPInstanceUID for item in referred} <= sent
            assert one.FrameOfReferenceUID == images[0].FrameOfReferenceUID


def test_what_came_back_is_clean(
    back: dict[str, pydicom.Dataset], tmp_path: Path, checker_errors: Callable[[Path, str], list[str]]
) -> None:
    kinds = {"SEG": "Segmentation", "SR": "Comprehensive3DSR", "DOC": "EncapsulatedPDF"}
    for number, (key, one) in enumerate(back.items()):
        path = tmp_path / f"{number}.dcm"
        one.save_as(path)
        assert checker_errors(path, kinds[key.split()[0]]) == []


def test_a_viewer_finds_them_by_dicomweb(orthanc: Orthanc, back: dict[str, Any], images: list[pydicom.Dataset]) -> None:
    """As OHIF looks: series of the study by QIDO-RS, metadata and the PDF itself by WADO-RS."""
    study = f"{orthanc.url}/dicom-web/studies/{images[0].StudyInstanceUID}"
    series = requests.get(f"{study}/series", timeout=20).json()
    assert sorted(one["00080060"]["Value"][0] for one in series) == sorted(["MR", *(key.split()[0] for key in back)])
    (pdf,) = (one for key, one in back.items() if key.startswith("DOC"))
    place = f"{study}/series/{pdf.SeriesInstanceUID}/instances/{pdf.SOPInstanceUID}"
    (metadata,) = requests.get(f"{place}/metadata", timeout=20).json()
    assert metadata["00420012"]["Value"] == ["application/pdf"]
    document = requests.get(metadata["00420011"]["BulkDataURI"], timeout=20)  # as its PDF viewport does
    assert b"%PDF-" in document.content[:400]
    (seg, *_) = (one for key, one in back.items() if key.startswith("SEG"))
    frames = requests.get(f"{study}/series/{seg.SeriesInstanceUID}/instances/{seg.SOPInstanceUID}/frames/1", timeout=20)
    assert frames.ok


def test_the_archive_commits_what_it_stored(node: Node, back: dict[str, Any]) -> None:
    def committed() -> bool:
        rows = node.outbox.states("pacs")
        return len(rows) == len(back) and set(rows.values()) == {"committed"}

    wait_for(committed, alive=lambda: not node.health())


def test_the_same_study_again_adds_nothing(
    orthanc: Orthanc, node: Node, back: dict[str, pydicom.Dataset], images: list[pydicom.Dataset]
) -> None:
    """Segmented and sent anew, as after a loss of the node's folder: the archive has what it had."""
    (row,) = (one for one in node.queue.studies() if one.n_made)
    assert node.queue.again(row.key)
    wait_for(lambda: node.queue.counts()["sent"] == 1, alive=lambda: not node.health())
    assert set(made(orthanc, str(images[0].StudyInstanceUID))) == set(back)
    numbers = orthanc.post("/tools/find", {"Level": "Instance", "Query": {"StudyInstanceUID": "1.2.3.7001"}})
    assert len(numbers) == len(images) + len(back)


def test_a_study_that_the_node_is_told_of_comes_back_by_stow(
    orthanc: Orthanc, node: Node, study_of: Callable[[int], list[pydicom.Dataset]], back: dict[str, Any]
) -> None:
    others = study_of(7002)
    for image in others:
        image.StudyDescription = "heart by web"
    put(orthanc, others)
    wait_for(lambda: node.queue.counts()["sent"] == 2, alive=lambda: orthanc.is_alive() and not node.health())
    assert {key.split()[0] for key in made(orthanc, "1.2.3.7002")} == {"SEG", "SR", "DOC"}


def test_metrics_health_and_c_echo(node: Node, back: dict[str, Any]) -> None:
    assert node.status is not None
    place = f"http://127.0.0.1:{node.status.port}"
    assert requests.get(f"{place}/health", timeout=20).json() == {"healthy": True, "faults": []}
    text = requests.get(f"{place}/metrics", timeout=20).text
    assert 'cmr_node_objects_total{answer="kept"}' in text
    assert 'cmr_node_queue{state="failed"} 0.0' in text
    echo = ["echoscu", "-aet", "ORTHANC", "-aec", "CMR", "127.0.0.1", str(node.receiver.port)]
    assert subprocess.run(echo, check=False, timeout=30).returncode == 0
    echo[2] = "STRANGER"
    assert subprocess.run(echo, check=False, timeout=30, capture_output=True).returncode != 0
