"""What a user asks for: which pictures are read, what is made of them, where it goes, and under whose name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.app.choices import Choices
from pipeline.app.identity import conceal_subject, unnamed, with_pseudonym
from pipeline.core.beat import beat_of_rate
from pipeline.core.errors import ConfigError, PipelineError
from pipeline.core.files import require_writable
from pipeline.core.subject import Subject
from pipeline.read.archives import opened
from pipeline.read.dicom.series import SeriesOptions
from pipeline.read.discover import CaseFiles
from pipeline.read.subjects import with_subjects

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """What is asked for, the same for all cases.

    Attributes:
        out: receives a folder a case.
        series: what the user decides about which pictures are read.
        choices: what the user asks for beyond that.
        secret: of pseudonyms, which then stand for the patients in folder names and DICOM objects.
        subjects: table of sex, age, size and heart rate, see `read.subjects`; without it what was stated before holds.

    Raises:
        ConfigError: an output folder that cannot be written to, an empty secret, a pseudonym for patients who are to be
            named, or a rate that no heart has.
    """

    out: Path
    series: SeriesOptions = field(default_factory=SeriesOptions)
    choices: Choices = field(default_factory=Choices)
    secret: str | None = None
    subjects: Path | None = None

    def __post_init__(self) -> None:
        require_writable(self.out)
        if self.secret is not None and not self.secret.strip():
            raise ConfigError("a pseudonym needs a secret that is not empty, or anybody could try all IDs")
        if self.secret is not None and self.choices.identify:
            raise ConfigError("a patient can have a pseudonym or be named, not both")
        if self.choices.heart_rate_bpm is not None:
            beat_of_rate(self.choices.heart_rate_bpm)

    def stated_series(self) -> SeriesOptions:
        """What is decided about which pictures are read, as records state it: no UID under a pseudonym."""
        return self.series if self.secret is None else replace(self.series, series_uid=None)

    def with_subjects(self, cases: Sequence[CaseFiles]) -> list[CaseFiles]:
        """The cases with what the table states of each.

        Raises:
            InputError: a table that is not right.
        """
        return list(cases) if self.subjects is None else with_subjects(cases, self.subjects)

    def heart_rate_bpm(self, files: CaseFiles) -> float | None:
        """Beats a minute of a case in the table of subjects, else those given for all."""
        own = files.subject.heart_rate_bpm if files.subject else None
        return self.choices.heart_rate_bpm if own is None else own

    def subject(self, files: CaseFiles) -> Subject | None:
        """What the table of subjects states of a case, as records may state it."""
        if files.subject is None:
            return None
        return files.subject.subject if self.secret is None else conceal_subject(files.subject.subject)

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

    def named(self, files: CaseFiles) -> CaseFiles:
        """The case as its results are to be called; neutral if it should have a pseudonym and none can be made."""
        if self.secret is None:
            return files
        try:
            with opened(files.files) as places:
                return self.under_its_name(files, places)[0]
        except PipelineError:
            return unnamed(files, secret=self.secret)
