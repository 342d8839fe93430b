"""Studies segmented into a folder, one at a time, so that a bad one ends alone: read, segment, measure, write."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.app.choices import Choices
from pipeline.app.folders import find_folder, write_whole
from pipeline.app.identity import with_pseudonym, without_paths
from pipeline.app.results import labels_digest, write_case, write_labels, write_source
from pipeline.app.segmenter import Segmenter
from pipeline.core.errors import ConfigError, PipelineError, own_error
from pipeline.core.measurements import Measurements
from pipeline.measure.measurements import PhaseChoice
from pipeline.read.cine import read_cine
from pipeline.read.discover import CaseFiles, find_cases

__all__ = ["CaseResult", "CaseRunner", "segment_path"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseResult:
    """What became of one case.

    Attributes:
        name: of its folder below the output folder: the case's, and some digits where another study has that.
        folder: where its files lie.
        measurements: what was measured; `None` when the case failed, or the bundle measures nothing.
        record: the content of `measurements.json`, likewise.
        error: one sentence that says why the case failed; `None` when it did not.
    """

    name: str
    folder: Path
    measurements: Measurements | None = None
    record: dict[str, Any] | None = None
    error: str | None = None


class CaseRunner:
    """Segments case after case into a folder.

    Args:
        segmenter: the loaded bundle.
        output_dir: receives a folder a case with what `app.results.write_case` writes.
        series_uid: read this series instead of the one that looks like the short-axis stack.
        choices: what the user asks for beyond that.
        secret: of pseudonyms, which then stand for the patients in folder names and DICOM objects.

    Raises:
        ConfigError: an empty secret, a pseudonym for patients who are to be named, or phases for a bundle that measures
            nothing.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        output_dir: str | Path,
        *,
        series_uid: str | None = None,
        choices: Choices | None = None,
        secret: str | None = None,
    ) -> None:
        self.segmenter, self.output_dir, self.series_uid = segmenter, Path(output_dir), series_uid
        self.choices, self.secret = choices or Choices(), secret
        if secret is not None and not secret.strip():
            raise ConfigError("a pseudonym needs a secret that is not empty, or anybody could try all IDs")
        if secret is not None and self.choices.identify:
            raise ConfigError("a patient can have a pseudonym or be named, not both")
        if self.choices.phases != PhaseChoice() and not segmenter.measures:
            raise ConfigError(f"{segmenter.provenance.bundle.name} measures nothing, so phases cannot be chosen for it")

    def under_its_name(self, files: CaseFiles) -> tuple[CaseFiles, str | None]:
        """The case as its results are to be called, and the patient's pseudonym where there is to be one.

        Raises:
            ConfigError: a pseudonym is asked for, and there is no PatientID to replace.
        """
        return (files, None) if self.secret is None else with_pseudonym(files, secret=self.secret)

    def run(self, files: CaseFiles) -> CaseResult:
        """Read, segment and measure one case, and write its files; nothing is written before all is computed.

        Raises:
            PipelineError: the case cannot be used; the message says why.
        """
        files, pseudonym = self.under_its_name(files)
        cine = read_cine([str(file) for file in files.files], series_uid=self.series_uid)
        found, choice = self.segmenter.segment(cine), self.choices.phases
        case = self.segmenter.make_case(cine, found, choice=choice) if self.segmenter.measures else None
        source = {
            "identity": files.identity,
            "files": [str(file) for file in files.files] if pseudonym is None else [],
            "series_uid": self.series_uid,
            "pseudonym": pseudonym,
            "labels_sha256": labels_digest(found.labels),
        }

        def fill(folder: Path) -> CaseResult:
            write_source(folder, source)
            place = self.output_dir / folder.name
            if case is None:
                write_labels(folder, cine, found.labels)
                return CaseResult(folder.name, place)
            written = write_case(folder, replace(case, name=folder.name, pseudonym=pseudonym), self.choices)
            return CaseResult(folder.name, place, written.measurements, written.to_json())

        return write_whole(self.output_dir, files, fill)


def segment_path(runner: CaseRunner, path: str | Path) -> Iterator[CaseResult]:
    """Segment every case found at a path; a case that fails is reported in its result, and the rest go on.

    Under a pseudonym the result's sentence names no file, for it goes into the worklist; the log then says which.

    Args:
        runner: the loaded bundle, and where results go.
        path: DICOM file or folder, NIfTI file, or a folder of either.

    Raises:
        InputError: nothing at `path` is an image.
    """
    for files in find_cases(path):
        try:
            yield runner.run(files)
        except Exception as error:
            folder, sentence = _folder_of_failed(runner, files), _sentence(error)
            kept = sentence if runner.secret is None else without_paths(sentence, files.files)
            if kept != sentence:  # whoever runs it has to find the file
                _log.error("%s: %s", folder.name, sentence)
            yield CaseResult(folder.name, folder, error=kept)


def _folder_of_failed(runner: CaseRunner, files: CaseFiles) -> Path:
    """The case's folder; where it should have had a pseudonym and none could be made, one whose name tells nothing."""
    try:
        return find_folder(runner.output_dir, runner.under_its_name(files)[0])
    except PipelineError:
        return runner.output_dir / "unnamed"


def _sentence(error: Exception) -> str:
    """The message meant for the user: of our own error where there is one."""
    return str(own_error(error) or f"{type(error).__name__}: {error}".splitlines()[0])
