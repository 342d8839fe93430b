"""What speaks for and against a stack being the short-axis cine, each weighed.

No single sign decides: scanners leave descriptions empty, planes of hearts differ, and a study holds perfusion, flow,
tagging and late enhancement in the very plane of the cine. The weights say which sign outdoes which; they are order of
trust, not statistics.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.core.beat import MIN_BEAT_MS, is_credible_beat
from pipeline.core.geometry import APEX_TO_BASE_LPS
from pipeline.read.dicom.dimensions import varying_dimensions
from pipeline.read.dicom.kinds import CORRECTIONS
from pipeline.read.dicom.stacks import MIN_SLICES, Stack

__all__ = ["CLOSE", "Candidate", "Evidence", "weigh"]

CLOSE = 5.0
"""Stacks whose points differ by less are not told apart by their headers."""

_SHORT_AXIS = re.compile(
    r"\b(sa|sax|saxs?|sha|short[\s_-]*ax\w*|kurz\w*achs\w*|petit[\s_-]*axe|eje[\s_-]*(corto|menor)|asse[\s_-]*corto|"
    r"korte[\s_-]*as|eixo[\s_-]*curto|kort\w*[\s_-]*ax\w*|kr[oó]tk\w*[\s_-]*o\w*)\b|短軸|短轴|단축|коротк",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\b(la|lax|[234][\s_-]*(ch|cv|kammer\w*|chamber\w*|cavit\w*|camer\w*)|long[\s_-]*ax\w*|lang\w*achs\w*|grand[\s_-]*axe|"
    r"eje[\s_-]*largo|lvot|rvot|aort\w*|perf\w*|stress|first[\s_-]*pass|flow|fluss|flux|flujo|venc|pc|phase[\s_-]*contrast|"
    r"lge|de|late|delayed|psir|viab\w*|t1|t2|t2star|molli|shmolli|sasha|map\w*|scout\w*|loc\w*|survey|haste|"
    r"tag\w*|dense|dti|dwi|angio\w*|mra)\b|長軸|长轴|灌注|장축|длинн",
    re.IGNORECASE,
)

_USUAL_COS, _ODD_COS = np.cos(np.deg2rad(40.0)), np.cos(np.deg2rad(65.0))
"""Hearts lie within 40 degrees of the usual axis; a plane more than 65 degrees off is no short axis of any."""

_BODY_COS = np.cos(np.deg2rad(10.0))
_CROSSING_COS = np.cos(np.deg2rad(70.0))
_MANY_SLICES, _MANY_PHASES = 12, 30


@dataclass(frozen=True)
class Evidence:
    """One sign.

    Attributes:
        points: weight, for the short axis above 0, against it below.
        reason: the sign in words, which go on after "it is" or "it has".
    """

    points: float
    reason: str


@dataclass(frozen=True)
class Candidate:
    """A stack with what speaks for and against it.

    Attributes:
        stack: the frames.
        evidence: the signs.
    """

    stack: Stack
    evidence: tuple[Evidence, ...]

    @property
    def points(self) -> float:
        """Sum of the weights."""
        return sum(sign.points for sign in self.evidence)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What speaks against it, the heaviest first."""
        against = sorted((sign for sign in self.evidence if sign.points < 0), key=lambda sign: sign.points)
        return tuple(sign.reason for sign in against)

    @property
    def can_be_short_axis(self) -> bool:
        """Whether it is a stack at all, of magnitudes."""
        first = self.stack.frames[0]
        return self.stack.n_slices >= MIN_SLICES and first.kind.component == "magnitude" and not first.kind.is_mosaic


def weigh(stack: Stack, others: Sequence[Stack]) -> Candidate:
    """Weigh a stack.

    Args:
        stack: the stack.
        others: the study's other stacks, whose long-axis views tell where the heart's axis is.
    """
    signs = (
        _of_extent(stack),
        _of_phases(stack),
        _of_beat(stack),
        _of_plane(stack),
        _of_long_axes(stack, others),
        _of_kind(stack),
        _of_dimensions(stack),
        _of_description(stack),
    )
    return Candidate(stack, tuple(sign for sign in signs if sign is not None))


def _of_extent(stack: Stack) -> Evidence:
    n = stack.n_slices
    if n < MIN_SLICES:
        return Evidence(-100.0, f"fewer than {MIN_SLICES} parallel slices, as localisers and long-axis views have")
    return Evidence(float(min(n, _MANY_SLICES)), f"{n} parallel slices")


def _of_phases(stack: Stack) -> Evidence:
    n = stack.n_phases
    if n == 1:
        return Evidence(-30.0, "one phase only")
    return Evidence(25.0 + 5.0 * min(n, _MANY_PHASES) / _MANY_PHASES, f"{n} phases")


def _of_beat(stack: Stack) -> Evidence | None:
    span_ms, n = stack.span_ms, stack.n_phases
    if n == 1 or not span_ms:
        return None
    beat_ms = span_ms * n / (n - 1)
    if is_credible_beat(beat_ms):
        return Evidence(10.0, f"times within a beat of {beat_ms:.0f} ms")
    if beat_ms < MIN_BEAT_MS:
        return Evidence(-5.0, f"times over {beat_ms:.0f} ms only, less than a beat")
    return Evidence(-60.0, f"times over {span_ms / 1000:.1f} s, more than a beat, as perfusion has")


def _of_plane(stack: Stack) -> Evidence:
    cos = float(abs(stack.normal @ APEX_TO_BASE_LPS))
    degrees = float(np.rad2deg(np.arccos(min(cos, 1.0))))
    if np.abs(stack.normal).max() >= _BODY_COS:
        return Evidence(-15.0, "an axial, coronal or sagittal plane")
    if cos < _ODD_COS:
        return Evidence(-25.0, f"a plane {degrees:.0f} degrees off the usual short axis")
    if cos < _USUAL_COS:
        return Evidence(5.0, f"a plane {degrees:.0f} degrees off the usual short axis")
    return Evidence(20.0, f"the plane of a short axis ({degrees:.0f} degrees off the usual one)")


def _of_long_axes(stack: Stack, others: Sequence[Stack]) -> Evidence | None:
    """Single moving slices are long-axis views: their planes hold the axis that a short-axis plane is square to."""
    views = [other for other in others if other.n_slices < MIN_SLICES and other.n_phases > 1]
    if not views:
        return None
    crossing = sum(abs(float(view.normal @ stack.normal)) <= _CROSSING_COS for view in views)
    if 2 * crossing < len(views):
        return Evidence(-10.0, f"square to {crossing} of {len(views)} single moving views only")
    return Evidence(10.0 * crossing / len(views), f"square to {crossing} of {len(views)} single moving views")


def _of_kind(stack: Stack) -> Evidence | None:
    kind = stack.frames[0].kind
    if kind.is_mosaic:
        return Evidence(-100.0, "Siemens mosaics, several slices tiled in one picture")
    if kind.component != "magnitude":
        article = "an" if kind.component[0] in "aeiou" else "a"
        return Evidence(-100.0, f"{article} {kind.component} picture")
    if kind.is_derived:
        return Evidence(-25.0, "derived from other pictures")
    rank = CORRECTIONS.index(kind.correction)
    return Evidence(-float(rank), f"distortion correction {kind.correction}") if kind.correction else None


def _of_dimensions(stack: Stack) -> Evidence | None:
    varying = varying_dimensions(stack)
    if not varying:
        return None
    names = " and ".join(dimension.name for dimension in varying)
    return Evidence(-40.0, f"several values of {names} in one plane")


def _of_description(stack: Stack) -> Evidence | None:
    """Names that people give, in several languages; the words alone are told, for the rest may name the patient."""
    told = [frame.technique.description for frame in stack.frames[:1]]
    words = " ".join(told).replace("_", " ")
    if other := _OTHER.search(words):
        return Evidence(-15.0, f'named "{other.group(0)}"')
    if short := _SHORT_AXIS.search(words):
        return Evidence(6.0, f'named "{short.group(0)}"')
    return None
