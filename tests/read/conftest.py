"""A tiny writer of MR images, classic and enhanced, for the readers' tests."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian

from pipeline.core.errors import InputError
from pipeline.core.quiet import quiet_dicom

CLASSIC = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)
"""Rows along (0.8, 0.6, 0), columns down: normal (-0.6, 0.8, 0)."""
NAMED_BY_CALLER = ("_frames_of", "_name_as_asked")
"""Functions whose refusals get their file from whoever calls them."""


def picture(phase: int, level: int, *, rows: int = 5, columns: int = 4) -> np.ndarray:
    """A picture that tells its phase, slice, row and column: 1000 t + 100 z + 10 row + column."""
    row, column = np.indices((rows, columns))
    return (1000 * phase + 100 * level + 10 * row + column).astype(np.int16)


def data_set(pixels: np.ndarray, sop_class: str, **elements: Any) -> FileDataset:
    """A DICOM data set around pixels; `elements` by keyword, `None` leaves one out, `private` is (tag, VR, value)."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = elements["SOPInstanceUID"]
    made = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    bits = 8 * pixels.dtype.itemsize
    defaults = {
        "SOPClassUID": sop_class,
        "StudyInstanceUID": "1.2.3",
        "Modality": "MR",
        "Manufacturer": "Maker",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.tobytes(),
    }
    with quiet_dicom():  # some tests write values that the standard forbids
        private = elements.pop("private", None)
        for keyword, value in (defaults | elements).items():
            if value is not None:
                setattr(made, keyword, value)
        if private is not None:
            made.add_new(*private)
    return made


def _value(rule: Any, **place: int) -> Any:
    if not callable(rule):
        return rule
    return rule(**{name: place[name] for name in inspect.signature(rule).parameters})


@dataclass
class Study:
    """Writes the files of one study into a folder and counts them."""

    folder: Path
    orientation: tuple[float, ...] = OBLIQUE
    spacing: tuple[float, float] = (2.0, 1.5)
    step_mm: float = 8.0
    written: list[Path] = field(default_factory=list)

    def position(self, level: float) -> list[float]:
        """ImagePositionPatient of a slice: (10, 20, 30) and `step_mm` along the normal a slice."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return [float(v) for v in np.array([10.0, 20.0, 30.0]) + level * self.step_mm * normal]

    def image(self, phase: int, level: float, *, name: str | None = None, pixels: Any = None, **elements: Any) -> Path:
        """Write one classic image of a phase and slice; `elements` override."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(self.written) + 1
        values = {
            "SOPInstanceUID": f"1.2.3.9.{number}",
            "SeriesInstanceUID": "1.2.3.1",
            "SeriesNumber": 1,
            "InstanceNumber": number,
            "TriggerTime": 100.0 * phase + 5.0,
            "ImagePositionPatient": self.position(level),
            "ImageOrientationPatient": list(self.orientation),
            "PixelSpacing": list(self.spacing),
            "SliceThickness": 6.0,
        }
        made = data_set(picture(phase, int(level)) if pixels is None else pixels, CLASSIC, **(values | elements))
        path = self.folder / (name or f"{number}.dcm")
        path.parent.mkdir(parents=True, exist_ok=True)
        made.save_as(path, enforce_file_format=True)
        self.written.append(path)
        return path

    def cine(self, n_phases: int = 4, n_slices: int = 3, *, skip: Sequence[tuple[int, int]] = (), **rule: Any) -> None:
        """Write phases x slices; each rule is a value, or a function of t, z or both; `skip` names missing ones."""
        for level in range(n_slices):
            for phase in range(n_phases):
                if (phase, level) not in skip:
                    self.image(phase, level, **{key: _value(made, t=phase, z=level) for key, made in rule.items()})

    def enhanced(self, frames: Sequence[tuple[int, int]], *, shared_plane: bool = False, **elements: Any) -> Path:
        """Write one enhanced file of (phase, slice) frames; the plane's orientation per frame, or shared."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(self.written) + 1
        shared, per_frame = Dataset(), []
        orientation, measures = Dataset(), Dataset()
        orientation.ImageOrientationPatient = list(self.orientation)
        measures.PixelSpacing, measures.SliceThickness = list(self.spacing), 6.0
        for phase, level in frames:
            own, plane, heart, content = Dataset(), Dataset(), Dataset(), Dataset()
            plane.ImagePositionPatient = self.position(level)
            heart.NominalCardiacTriggerDelayTime, heart.RRIntervalTimeNominal = 100.0 * phase, 800.0
            content.StackID, content.InStackPositionNumber, content.TemporalPositionIndex = "1", level + 1, phase + 1
            content.DimensionIndexValues = [1, level + 1, phase + 1]
            own.PlanePositionSequence, own.FrameContentSequence = Items([plane]), Items([content])
            own.CardiacSynchronizationSequence = Items([heart])
            holder = shared if shared_plane else own
            holder.PlaneOrientationSequence, holder.PixelMeasuresSequence = Items([orientation]), Items([measures])
            per_frame.append(own)
        values = {
            "SOPInstanceUID": f"1.2.3.9.{number}",
            "SeriesInstanceUID": "1.2.3.1",
            "InstanceNumber": number,
            "NumberOfFrames": len(frames),
            "SharedFunctionalGroupsSequence": Items([shared]),
            "PerFrameFunctionalGroupsSequence": Items(per_frame),
        }
        made = data_set(np.stack([picture(*frame) for frame in frames]), ENHANCED, **(values | elements))
        path = self.folder / f"{number}.dcm"
        made.save_as(path, enforce_file_format=True)
        self.written.append(path)
        return path


@pytest.fixture(autouse=True)
def every_refusal_is_a_sentence_that_names_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reader refuses something in a test: it says so in words, with the file if it was given one."""
    plain = InputError.__init__

    def checked(self: InputError, message: str, path: str | Path | None = None) -> None:
        plain(self, message, path)
        assert len(message.split()) > 3, f"no sentence: {message!r}"
        frame = inspect.currentframe()
        refuses = frame.f_back if frame else None
        assert refuses is not None
        names_later = any(name in refuses.f_code.co_name for name in NAMED_BY_CALLER)
        known = refuses.f_locals.get("path")
        knows_one = isinstance(known, str | Path) and bool(known)
        assert path or names_later or not knows_one, f"{refuses.f_code.co_name} knows the file"

    monkeypatch.setattr(InputError, "__init__", checked)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """An oblique study with non-square pixels, 8 mm between slices."""
    return Study(tmp_path / "study")


@pytest.fixture
def new_study(tmp_path: Path) -> Callable[..., Study]:
    """Makes further studies: `new_study("name", orientation=...)`."""
    return lambda name, **parts: Study(tmp_path / name, **parts)


@pytest.fixture
def phase_picture() -> Callable[..., np.ndarray]:
    """The picture that the writer gives a phase and slice."""
    return picture


@pytest.fixture
def expected_array() -> Callable[[int, int], np.ndarray]:
    """Array (T, X, Y, Z) that a cine of the writer must read as."""

    def expected(n_phases: int, n_slices: int) -> np.ndarray:
        return np.stack(
            [np.stack([picture(t, z).T for z in range(n_slices)], axis=-1) for t in range(n_phases)],
        )

    return expected
