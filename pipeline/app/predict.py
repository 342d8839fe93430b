"""Segment studies into a folder, one at a time, so that a bad one fails alone: read, segment, measure, write."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.app.choices import Choices
from pipeline.app.folders import find_folder, write_whole
from pipeline.app.identity import conceal_notes, conceal_source, with_pseudonym
from pipeline.app.results import write_case, write_labels, write_record
from pipeline.app.review.draft import refuse_drafts
from pipeline.app.segmenter import Segmenter
from pipeline.core.beat import beat_of_rate
from pipeline.core.case import Source, case_record
from pipeline.core.digests import labels_digest, voxels_digest
from pipeline.core.errors import ConfigError, PipelineError, own_error
from pipeline.core.files import require_writable
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements
from pipeline.measure.measurements import PhaseChoice
from pipeline.read.archives import opened
from pipeline.read.cine import SeriesOptions, read_cine, require_stack
from pipeline.read.clock import with_heart_rate
from pipeline.read.discover import CaseFiles, find_cases

__all__ = ["CaseResult", "CaseRunner", "segment_path"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseResult:
    """Result of one case.

    Attributes:
        name: name of its folder in the output folder: the case's, with some digits if another study has that.
        folder: folder of its files.
        measurements: its measurements, or `None` if the case failed or the bundle measures nothing.
        record: the content of `measurements.json`, or `None` in the same cases.
        error: one sentence that says why the case failed, or `None` when it did not.
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
        series: what the user decides about which pictures are read.
        choices: what the user asks for beyond that.
        secret: of pseudonyms, which then stand for the patients in folder names and DICOM objects.

    Raises:
        ConfigError: an output folder that cannot be written to, an empty secret, a pseudonym for patients who are to be
            named, a rate that no heart has, or phases for a bundle that measures nothing.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        output_dir: str | Path,
        *,
        series: SeriesOptions | None = None,
        choices: Choices | None = None,
        secret: str | None = None,
    ) -> None:
        self.segmenter, self.output_dir, self.series = segmenter, Path(output_dir), series or SeriesOptions()
        self.choices, self.secret = choices or Choices(), secret
        require_writable(self.output_dir)
        if secret is not None and not secret.strip():
            raise ConfigError("a pseudonym needs a secret that is not empty, or anybody could try all IDs")
        if secret is not None and self.choices.identify:
            raise ConfigError("a patient can have a pseudonym or be named, not both")
        if self.choices.heart_rate_bpm is not None:
            beat_of_rate(self.choices.heart_rate_bpm)
        if self.choices.phases != PhaseChoice() and not segmenter.measures:
            raise ConfigError(f"{segmenter.provenance.bundle.name} measures nothing, so phases cannot be chosen for it")

    def under_its_name(self, files: CaseFiles, places: Sequence[Path]) -> tuple[CaseFiles, str | None]:
        """The case as its results are to be called, and the patient's pseudonym where there is to be one.

        Args:
            files: the case.
            places: where its files can be read, see `read.archives.opened`.

        Raises:
            ConfigError: a pseudonym is requested, and there is no PatientID to replace.
        """
        if self.secret is None:
            return files, None
        named, pseudonym = with_pseudonym(replace(files, files=tuple(places)), secret=self.secret)
        return replace(named, files=files.files), pseudonym

    def run(self, files: CaseFiles) -> CaseResult:
        """Read, segment and measure one case, and write its files. Nothing is written before all is computed.

        Raises:
            PipelineError: the case cannot be used. The message says why.
        """
        with opened(files.files) as places:
            return self._run(files, places)

    def _run(self, files: CaseFiles, places: Sequence[Path]) -> CaseResult:
        files, pseudonym = self.under_its_name(files, places)
        refuse_drafts(find_folder(self.output_dir, files))
        look = self.segmenter.see_heart if self.segmenter.measures else None
        cine = with_heart_rate(read_cine(places, options=self.series, look=look), self.choices.heart_rate_bpm)
        cine = cine if pseudonym is None else conceal_notes(cine, files.files)
        if self.segmenter.measures:
            require_stack(cine, path=str(files.path))
        found = self.segmenter.segment(cine)
        source = self._source(files, cine, keyed=pseudonym is not None)
        made_by = replace(self.segmenter.provenance, labels_sha256=labels_digest(found.labels), source=source)
        if not self.segmenter.measures:
            return self._write_labels(files, cine, found.labels, case_record(made_by, pseudonym=pseudonym))
        case = self.segmenter.make_case(cine, found, choice=self.choices.phases)
        case = replace(case, provenance=made_by, pseudonym=pseudonym)

        def fill(folder: Path) -> CaseResult:
            written = write_case(folder, replace(case, name=folder.name), self.choices)
            return CaseResult(folder.name, self.output_dir / folder.name, written.measurements, written.to_json())

        return write_whole(self.output_dir, files, fill)

    def _write_labels(self, files: CaseFiles, cine: Cine, labels: np.ndarray, record: dict[str, Any]) -> CaseResult:
        """All that there is of a case whose labels are no ventricles."""

        def fill(folder: Path) -> CaseResult:
            write_labels(folder, cine, labels)
            write_record(folder, record | {"case": folder.name})
            return CaseResult(folder.name, self.output_dir / folder.name)

        return write_whole(self.output_dir, files, fill)

    def _source(self, files: CaseFiles, cine: Cine, *, keyed: bool) -> Source:
        read = replace(self.series, series_uid=None) if keyed else self.series
        path = None if keyed else str(files.path.absolute())
        rate = self.choices.heart_rate_bpm
        return Source(files.identity, path, voxels_digest(cine.array), **asdict(read), heart_rate_bpm=rate)


def segment_path(runner: CaseRunner, path: str | Path) -> Iterator[CaseResult]:
    """Segment every case found at a path. A case that fails is reported in its result, and the rest go on.

    Under a pseudonym the result's sentence names no file, for it goes into the worklist; the log then says which.

    Args:
        runner: the loaded bundle and its output folder.
        path: DICOM file or folder, NIfTI file, or a folder of either.

    Raises:
        InputError: there is no image at `path`.
    """
    for files in find_cases(path):
        try:
            yield runner.run(files)
        except Exception as error:
            folder, sentence = _folder_of_failed(runner, files), _sentence(error)
            kept = sentence if runner.secret is None else conceal_source(sentence, files.files)
            if kept != sentence:  # whoever runs it has to find the file
                _log.error("%s: %s", folder.name, sentence)
            yield CaseResult(folder.name, folder, error=kept)


def _folder_of_failed(runner: CaseRunner, files: CaseFiles) -> Path:
    """The case's folder, or one of a neutral name if it should have had a pseudonym and none could be made."""
    try:
        if runner.secret is None:
            return find_folder(runner.output_dir, files)
        with opened(files.files) as places:
            return find_folder(runner.output_dir, runner.under_its_name(files, places)[0])
    except PipelineError:
        return runner.output_dir / "unnamed"


def _sentence(error: Exception) -> str:
    """The message for the user, from our own error if there is one."""
    return str(own_error(error) or f"{type(error).__name__}: {error}".splitlines()[0])
