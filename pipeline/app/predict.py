"""Segment studies into a folder, one at a time, so that a bad one fails alone: read, segment, measure, write."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.app.case_results import CaseResult, record_failure, result_on_disk
from pipeline.app.choices import Choices
from pipeline.app.earlier import describe_input, in_readers_hands, own_record, standing
from pipeline.app.folders import find_folder, write_whole
from pipeline.app.identity import conceal, conceal_source
from pipeline.app.request import Request
from pipeline.app.results import MEASUREMENTS, read_record, write_case, write_labels, write_record
from pipeline.app.review.draft import refuse_drafts
from pipeline.app.segmenter import Segmentation, Segmenter
from pipeline.core.case import Case, Provenance, Source, case_record
from pipeline.core.digests import labels_digest, voxels_digest
from pipeline.core.errors import ConfigError, first_line, own_error, tell
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements
from pipeline.core.review import Review
from pipeline.core.subject import StatedSubject, Subject
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.study import measure_study
from pipeline.read.archives import opened
from pipeline.read.cine import SeriesOptions, read_cine, require_stack
from pipeline.read.clock import with_heart_rate
from pipeline.read.discover import CaseFiles, find_cases
from pipeline.read.subjects import with_subject

__all__ = ["CaseResult", "CaseRunner", "segment_path"]

_log = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What the system says of a disk that is full or may only be read: true of every case."""


class CaseRunner:
    """Segments case after case into a folder.

    Args:
        segmenter: the loaded bundle.
        output_dir: receives a folder a case with what `app.results.write_case` writes.
        series: what the user decides about which pictures are read.
        choices: what the user asks for beyond that.
        secret: of pseudonyms, which then stand for the patients in folder names and DICOM objects.
        subjects: table of sex, age, size and heart rate, see `read.subjects`; without it what was stated before holds.

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
        subjects: Path | None = None,
    ) -> None:
        self.segmenter = segmenter
        self.request = Request(Path(output_dir), series or SeriesOptions(), choices or Choices(), secret, subjects)
        if self.request.choices.phases != PhaseChoice() and not segmenter.measures:
            raise ConfigError(f"{segmenter.provenance.bundle.name} measures nothing, so phases cannot be chosen for it")

    def run(self, files: CaseFiles) -> CaseResult:
        """Read, segment and measure one case, and write its files. Nothing is written before all is computed.

        A case that a reader has decided on or corrected is left as it is, unless the choices ask for it again.

        Raises:
            PipelineError: the case cannot be used. The message says why.
        """
        with opened(files.files) as places:
            return self._run(files, places)

    def attempt(self, files: CaseFiles) -> CaseResult:
        """As `run`, but a case that fails has a result that says why, and so does its record.

        Under a pseudonym the sentence names no file, for it goes into results; the log then says which.

        Raises:
            OSError: the output folder cannot be written to, so no other case would fare better.
        """
        start = time.monotonic()
        try:
            result = self.run(files)
        except Exception as error:
            cause = own_error(error)
            if isinstance(cause, OSError) and cause.errno in _FULL:
                raise cause from error
            sentence = _sentence(error)
            kept = sentence if self.request.secret is None else conceal_source(sentence, files.files)
            result = record_failure(self.request.out, self.request.named(files), kept)
            if kept != sentence:  # whoever runs it has to find the file
                _log.error("%s: %s", result.name, sentence)
        return replace(result, seconds=time.monotonic() - start)

    def _run(self, files: CaseFiles, places: Sequence[Path]) -> CaseResult:
        named, pseudonym = self.request.under_its_name(files, places)
        refuse_drafts(find_folder(self.request.out, named))
        if self.request.subjects is None:
            named = _with_earlier_subject(named, own_record(find_folder(self.request.out, named), named))
        cine, found = self._segment(named, places, concealed=pseudonym is not None)
        made_by = self._describe(named, places, cine, found.labels)
        earlier = own_record(find_folder(self.request.out, named), named)
        choices = self.request.choices.over(earlier.get("choices"))
        if self.segmenter.measures:
            case = self._measure(cine, found, choices, _kept_review(earlier))
            case = replace(case, provenance=made_by, pseudonym=pseudonym)

        def fill(folder: Path) -> Measurements | None:
            if self.segmenter.measures:
                return write_case(folder, replace(case, name=folder.name), choices).measurements
            record = case_record(made_by, name=folder.name, pseudonym=pseudonym)
            write_labels(folder, cine, found.labels)
            write_record(folder, record | {"choices": choices.to_json()})
            return None

        return self._write(named, fill)

    def _measure(self, cine: Cine, found: Segmentation, choices: Choices, review: Review) -> Case:
        """The case, measured; what the user once chose and excluded holds for the new labels, too."""
        measured = measure_study(
            cine,
            found.labels,
            told=self.segmenter.tell(cine, found),
            choice=choices.phases,
            excluded_slices=review.excluded_slices,
        )
        return Case("", cine, found.labels, measured, self.segmenter.provenance, review=review)

    def _segment(self, files: CaseFiles, places: Sequence[Path], *, concealed: bool) -> tuple[Cine, Segmentation]:
        look = self.segmenter.see_heart if self.segmenter.measures else None
        cine = read_cine(places, options=self.request.series, look=look)
        cine = with_subject(cine, self.request.subject(files))
        cine = with_heart_rate(cine, self.request.heart_rate_bpm(files))
        cine = conceal(cine, files.files) if concealed else cine
        if self.segmenter.measures:
            require_stack(cine, path=str(files.path))
        return cine, self.segmenter.segment(cine)

    def _describe(self, files: CaseFiles, places: Sequence[Path], cine: Cine, labels: np.ndarray) -> Provenance:
        """Where the labels come from."""
        request = self.request
        path = str(files.path.absolute()) if request.secret is None else None
        stated = asdict(request.stated_series()) | {"heart_rate_bpm": request.heart_rate_bpm(files)}
        source = Source(files.identity, path, voxels_digest(cine.array), **stated, subject=request.subject(files))
        read_from = describe_input(files, places, secret=request.secret)
        drawn = labels_digest(labels)
        return replace(self.segmenter.provenance, labels_sha256=drawn, source=source, input=read_from)

    def _write(self, files: CaseFiles, fill: Callable[[Path], Measurements | None]) -> CaseResult:
        """Write a case's files, unless a reader has it in hand, maybe since this very run began."""
        out = self.request.out
        folder = find_folder(out, files)
        readers = in_readers_hands(folder, own_record(folder, files))
        if readers and not self.request.choices.again:
            return result_on_disk(folder, skipped=f"{readers}; --again would make it anew")

        def fill_and_read(new: Path) -> CaseResult:
            measured = fill(new)
            return CaseResult(new.name, out / new.name, measured, read_record(new / MEASUREMENTS))

        return write_whole(out, files, fill_and_read, keep_old=bool(readers))


def segment_path(runner: CaseRunner, path: str | Path | Sequence[str | Path]) -> Iterator[CaseResult]:
    """Segment every case found at a path. A case that fails is reported in its result, and the rest go on.

    Those that are done, or in a reader's hands, are skipped as their results say, see `app.earlier`.

    Args:
        runner: the loaded bundle and its output folder.
        path: DICOM file or folder, NIfTI file, or a folder of either; or several.

    Raises:
        InputError: there is no image at `path`, or a table that is not right.
        OSError: the output folder cannot be written to any more.
    """
    for files in runner.request.with_subjects(find_cases(path)):
        named = runner.request.named(files)
        left = standing(named, runner.request, runner.segmenter.provenance)
        if left.skips:
            yield result_on_disk(find_folder(runner.request.out, named), skipped=left.reason)
        else:
            yield runner.attempt(files)


def _with_earlier_subject(files: CaseFiles, earlier: Mapping[str, Any]) -> CaseFiles:
    """The case with what was stated of its subject before; a heart rate is stated anew each time."""
    before = (earlier.get("source") or {}).get("subject")
    if before is None or files.subject is not None:
        return files
    return replace(files, subject=StatedSubject(Subject.from_json(before)))


def _kept_review(earlier: Mapping[str, Any]) -> Review:
    """What is kept of a reader's decision when labels are drawn anew: which slices do not count, not the verdict."""
    review = earlier.get("review") or {}
    return Review(excluded_slices=tuple(review.get("excluded_slices", ())))


def _sentence(error: Exception) -> str:
    """The message for the user, from our own error if there is one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, MemoryError):
        cause = cause.__cause__
    if cause is not None:
        return f"more memory is needed than there is: {first_line(cause)}"
    own = own_error(error)
    return f"{type(error).__name__}: {first_line(error)}" if own is None else tell(own)
