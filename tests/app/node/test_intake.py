"""What comes in: kept whole or refused, and nothing half."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from pipeline.app.node.database import Database
from pipeline.app.node.intake import Answer, Intake
from pipeline.app.node.journal import Journal
from pipeline.app.node.queue import Queue
from pipeline.app.node.settings import Limits
from pipeline.app.node.spool import Spool
from pipeline.core.quiet import quiet_dicom

Study = Callable[[int], list[pydicom.Dataset]]


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    return open_intake(tmp_path / "node")


def open_intake(folder: Path, **limits: Any) -> Intake:
    folder.mkdir(exist_ok=True)
    queue = Queue(Database(folder / "queue.sqlite"))
    chosen = Limits(**({"free_disk_mb": 1} | limits))
    return Intake(queue, Spool(folder, queue.secret()), chosen, Journal(), threading.Event())


def content_of(image: pydicom.Dataset) -> bytes:
    buffer = io.BytesIO()
    image.save_as(buffer)
    return buffer.getvalue()


def files_in(intake: Intake) -> list[Path]:
    return sorted(path for path in intake.spool.folder.rglob("*") if path.is_file() and "sqlite" not in path.name)


def test_what_is_kept_is_on_the_disk_and_in_the_queue(intake: Intake, study_of: Study) -> None:
    image = study_of(1)[0]
    content = content_of(image)
    stated = {"class_uid": str(image.SOPClassUID), "uid": str(image.SOPInstanceUID)}
    assert intake.take(content, caller="A", **stated) is Answer.KEPT
    (file,) = files_in(intake)
    assert file.read_bytes() == content
    (row,) = intake.queue.studies()
    assert (row.state, row.n_instances, row.key) == ("received", 1, file.parent.name)
    assert intake.take(content, caller="A", **stated) is Answer.KEPT  # once more
    assert files_in(intake) == [file]


def test_names_tell_nothing_and_two_patients_of_one_uid_are_two_studies(intake: Intake, study_of: Study) -> None:
    one, other = study_of(1)[0], study_of(1)[0]
    other.PatientID = "another"
    for image in (one, other):
        intake.take(content_of(image), caller="A")
    assert len(intake.queue.studies()) == 2
    paths = " ".join(str(path.relative_to(intake.spool.folder)) for path in files_in(intake))
    assert "1.2.3" not in paths
    assert "ID-" not in paths
    assert intake.spool.studies.stat().st_mode & 0o077 == 0


def drop(name: str) -> Callable[[pydicom.Dataset], None]:
    return lambda image: delattr(image, name)


def say(**stated: str) -> Callable[[pydicom.Dataset], None]:
    return lambda image: image.update(stated)


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (drop("StudyInstanceUID"), Answer.NOT_UNDERSTOOD),
        (drop("SeriesInstanceUID"), Answer.NOT_UNDERSTOOD),
        (say(SOPInstanceUID=""), Answer.NOT_UNDERSTOOD),
        (say(SOPClassUID=str(SecondaryCaptureImageStorage)), Answer.NOT_OF_ITS_KIND),
    ],
)
def test_what_is_no_image_of_a_study_is_refused(
    intake: Intake, study_of: Study, spoil: Callable[[pydicom.Dataset], None], answer: Answer
) -> None:
    image = study_of(1)[0]
    spoil(image)
    assert intake.take(content_of(image), caller="A") is answer
    assert files_in(intake) == []
    assert intake.queue.studies() == []


@pytest.mark.parametrize("content", [b"", b"noise" * 1000, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 99])
def test_noise_is_refused(intake: Intake, content: bytes) -> None:
    assert intake.take(content, caller="A") is Answer.NOT_UNDERSTOOD
    assert files_in(intake) == []


def test_an_object_must_be_what_it_was_announced_as(intake: Intake, study_of: Study) -> None:
    content = content_of(study_of(1)[0])
    assert intake.take(content, caller="A", uid="1.2.3.4") is Answer.NOT_OF_ITS_KIND
    other = "1.2.840.10008.5.1.4.1.1.4.1"
    assert intake.take(content, caller="A", class_uid=other) is Answer.NOT_OF_ITS_KIND


def test_invalid_uids_are_taken_as_they_are(intake: Intake, study_of: Study) -> None:
    """As Sunnybrook's, with leading zeros: a careful reader reads them."""
    image = study_of(1)[0]
    with quiet_dicom():
        image.StudyInstanceUID, image.SOPInstanceUID = "1.2.03", "1.2.04"
        image.file_meta.MediaStorageSOPInstanceUID = "1.2.04"
        assert intake.take(content_of(image), caller="A", uid="1.2.04") is Answer.KEPT


def test_limits(tmp_path: Path, study_of: Study) -> None:
    images = [content_of(image) for image in study_of(1)]
    assert open_intake(tmp_path / "a", instance_mb=0.001).take(images[0], caller="A") is Answer.TOO_LARGE
    assert open_intake(tmp_path / "b", free_disk_mb=1e12).take(images[0], caller="A") is Answer.NO_SPACE
    few = open_intake(tmp_path / "c", study_instances=2)
    answers = [few.take(content, caller="A") for content in (*images[:3], images[0])]
    assert answers == [Answer.KEPT, Answer.KEPT, Answer.TOO_MANY, Answer.KEPT]


def test_a_disk_that_fills_up_leaves_nothing_half(
    intake: Intake, study_of: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    image = study_of(1)[0]
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.app.node.spool.os.fsync", full)
        assert intake.take(content_of(image), caller="A") is Answer.NO_SPACE
    assert files_in(intake) == []
    assert intake.queue.studies() == []
    assert intake.take(content_of(image), caller="A") is Answer.KEPT


def test_an_object_that_was_written_but_not_recorded_is_removed_and_taken_again(
    tmp_path: Path, study_of: Study
) -> None:
    """As after a kill between both: it was not confirmed, so it is sent again, by whom rules can know."""
    intake = open_intake(tmp_path / "node")
    kept, image = study_of(1)[:2]
    intake.take(content_of(kept), caller="RESEARCH")
    key = intake.spool.key(str(image.StudyInstanceUID), str(image.PatientID))
    intake.spool.put(key, content_of(image))
    (tmp_path / "node" / "incoming" / "half").write_bytes(b"x")
    again = open_intake(tmp_path / "node")
    assert again.recover() == 1
    assert again.recover() == 0
    assert len(files_in(again)) == 1
    assert again.queue.studies()[0].caller == "RESEARCH"
    assert again.take(content_of(image), caller="RESEARCH") is Answer.KEPT
    assert len(files_in(again)) == again.queue.n_instances(key) == 2


def test_one_object_from_two_callers_at_once_is_there_with_its_file(intake: Intake, study_of: Study) -> None:
    """Of two contents, whichever is recorded last is the one whose file stays."""
    image = study_of(1)[0]
    contents = []
    for sex in ("F", "M"):
        image.PatientSex = sex
        contents.append(content_of(image))
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda n: intake.take(contents[n % 2], caller="A"), range(40)))
    assert set(answers) == {Answer.KEPT}
    (file,) = files_in(intake)
    assert intake.queue.files(file.parent.name) == {file.name}


def test_a_content_that_was_corrected_replaces_the_earlier(intake: Intake, study_of: Study) -> None:
    image = study_of(1)[0]
    intake.take(content_of(image), caller="A")
    image.PatientSex = "F"
    intake.take(content_of(image), caller="A")
    (file,) = files_in(intake)
    assert file.read_bytes() == content_of(image)
    assert intake.queue.n_instances(file.parent.name) == 1
