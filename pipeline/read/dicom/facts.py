"""What the header says beside the pixels, as far as a body can be so: rate, height, weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.beat import is_credible_beat
from pipeline.core.errors import UnreadableError
from pipeline.core.images import StudyFacts
from pipeline.core.quiet import quiet_dicom
from pipeline.read.dicom.frames import Frame
from pipeline.read.dicom.headers import number, read_header, text

__all__ = ["HEIGHT_M", "WEIGHT_KG", "read_facts"]

HEIGHT_M = (0.25, 2.6)
"""Of a body, preterm infants to the tallest adults. PatientSize (0010,1020) is in metres; consoles often write cm."""

WEIGHT_KG = (0.4, 450.0)
"""Likewise; PatientWeight (0010,1030) is in kg. Zero, which means that nobody asked, is none of either."""


def read_facts(frames: Sequence[Sequence[Frame]]) -> tuple[StudyFacts, tuple[str, ...]]:
    """Read the facts of a cine from its frames and the first one's file.

    Args:
        frames: `frames[t][z]`.

    Returns:
        The facts, `None` where the header is silent or says what no body is; and a note on each such value.

    Raises:
        UnreadableError: the file is no DICOM any more.
    """
    first = frames[0][0]
    rates = [frame.heart_rate_bpm for row in frames for frame in row if frame.heart_rate_bpm]
    with quiet_dicom():
        header = read_header(first.path, tags=("Manufacturer", "PatientSize", "PatientWeight"))
        if header is None:
            raise UnreadableError("a file must stay readable while it is read, got no DICOM any more", first.path)
        height_m, about_height = _height_m(number(header.elements, "PatientSize"))
        weight_kg, about_weight = _weight_kg(number(header.elements, "PatientWeight"))
        manufacturer = text(header.elements, "Manufacturer")
    rate, about_rate = _heart_rate_bpm(float(np.mean(rates)) if rates else None)
    facts = StudyFacts(
        study_uid=first.study_uid or None,
        series_uid=first.series_uid or None,
        manufacturer=manufacturer,
        heart_rate_bpm=rate,
        height_m=height_m,
        weight_kg=weight_kg,
    )
    return facts, (*about_rate, *about_height, *about_weight)


Checked = tuple[float | None, tuple[str, ...]]


def _height_m(stated: float | None) -> Checked:
    if not stated:
        return None, ()
    if _is_within(stated, HEIGHT_M):
        return stated, ()
    if _is_within(stated / 100, HEIGHT_M):
        return stated / 100, (f"PatientSize is in metres, got {stated:g}: taken for cm",)
    return None, (f"PatientSize says {stated:g} m, which no body has: nothing is indexed by it",)


def _weight_kg(stated: float | None) -> Checked:
    if not stated:
        return None, ()
    if _is_within(stated, WEIGHT_KG):
        return stated, ()
    return None, (f"PatientWeight says {stated:g} kg, which no body has: nothing is indexed by it",)


def _heart_rate_bpm(stated: float | None) -> Checked:
    if stated is None or is_credible_beat(60_000.0 / stated):
        return stated, ()
    return None, (f"the header's heart rate of {stated:g} a minute is none that a heart has: output is unknown",)


def _is_within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
