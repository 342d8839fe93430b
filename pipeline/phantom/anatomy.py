"""The shape of a synthetic heart: circles in every slice, so that areas are known in closed form.

Left ventricle: half an ellipsoid, base up, whose short-axis sections are circles. The cavity contracts, and the wall
thickens so that its area, and so the myocardial volume, is constant. Right ventricle: in each slice a disc next to the
left ventricle minus the epicardial disc, which leaves a crescent on the viewer's left.

Lengths are mm. Depth runs from 0 at the base to the heart's length at the apex. Time is a fraction of the cycle, 0 at
end-diastole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Patient", "Section", "contraction", "crescent_area_mm2", "lens_area_mm2", "make_patient", "section"]

END_SYSTOLE = 0.37
"""When in the cycle the heart is smallest."""


@dataclass(frozen=True)
class Patient:
    """Parameters of one synthetic patient.

    Attributes:
        seed: seed that it was drawn from.
        length_mm: from base to apex.
        cavity_mm: radius of the left cavity at base and end-diastole.
        wall_mm: thickness of the left wall there.
        shortening: fraction by which the cavity's radius shrinks at end-systole.
        right_mm: radius of the right ventricle's disc at base and end-diastole.
        right_offset_mm: distance of its centre from the left ventricle's.
        right_shortening: fraction by which its radius shrinks.
        turn: rotation of the heart in the picture, radians.
        centre_mm: place of the heart's axis in the picture, from its middle.
        tilt: three angles of the stack in space, radians.
        heart_rate_bpm: beats a minute.
    """

    seed: int
    length_mm: float
    cavity_mm: float
    wall_mm: float
    shortening: float
    right_mm: float
    right_offset_mm: float
    right_shortening: float
    turn: float
    centre_mm: tuple[float, float]
    tilt: tuple[float, float, float]
    heart_rate_bpm: float


@dataclass(frozen=True)
class Section:
    """The heart's circles in one slice at one time, around the left ventricle's axis, radii 0 if there is none.

    Attributes:
        cavity_mm: radius of the left cavity.
        epicardium_mm: outer radius of the left wall.
        right_mm: radius of the right ventricle's disc.
        right_offset_mm: distance of its centre.
    """

    cavity_mm: float
    epicardium_mm: float
    right_mm: float
    right_offset_mm: float

    @property
    def wall_mm(self) -> float:
        """Thickness of the left wall in the slice's plane."""
        return self.epicardium_mm - self.cavity_mm

    @property
    def areas_mm2(self) -> tuple[float, float, float]:
        """Areas of left cavity, myocardium and right cavity."""
        cavity = math.pi * self.cavity_mm**2
        wall = math.pi * self.epicardium_mm**2 - cavity
        right = crescent_area_mm2(self.right_mm, self.epicardium_mm, self.right_offset_mm)
        return cavity, wall, right


def make_patient(seed: int) -> Patient:
    """Draw a patient. The same seed gives the same one."""
    rng = np.random.default_rng([seed, 2017])
    cavity, wall = rng.uniform(21.0, 30.0), rng.uniform(7.0, 11.0)
    return Patient(
        seed=seed,
        length_mm=rng.uniform(75.0, 95.0),
        cavity_mm=cavity,
        wall_mm=wall,
        shortening=rng.uniform(0.15, 0.42),
        right_mm=rng.uniform(0.95, 1.15) * (cavity + wall),
        right_offset_mm=rng.uniform(0.75, 0.95) * (cavity + wall),
        right_shortening=rng.uniform(0.2, 0.32),
        turn=rng.uniform(-0.5, 0.5),
        centre_mm=(rng.uniform(-15.0, 15.0), rng.uniform(-15.0, 15.0)),
        tilt=(rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2)),
        heart_rate_bpm=float(rng.integers(55, 90)),
    )


def contraction(time: float) -> float:
    """How far contracted the heart is: 0 at end-diastole, 1 at `END_SYSTOLE`, smooth and periodic.

    >>> contraction(0.0), round(contraction(END_SYSTOLE), 6), round(contraction(1.0), 6)
    (0.0, 1.0, 0.0)
    """
    phase = time % 1.0
    share = phase / END_SYSTOLE if phase < END_SYSTOLE else (1.0 - phase) / (1.0 - END_SYSTOLE)
    return 0.5 * (1.0 - math.cos(math.pi * share))


def section(patient: Patient, *, depth_mm: float, time: float) -> Section:
    """The heart's circles at a depth below the base and a time in the cycle."""
    if not 0.0 <= depth_mm < patient.length_mm:
        return Section(0.0, 0.0, 0.0, patient.right_offset_mm)
    taper = math.sqrt(1.0 - (depth_mm / patient.length_mm) ** 2)
    squeeze = contraction(time)
    resting_cavity, resting_outside = patient.cavity_mm * taper, (patient.cavity_mm + patient.wall_mm) * taper
    cavity = resting_cavity * (1.0 - patient.shortening * squeeze)
    outside = math.sqrt(cavity**2 + resting_outside**2 - resting_cavity**2)
    right_taper = max(0.0, 1.0 - (depth_mm / (0.85 * patient.length_mm)) ** 2)  # ends before the left ventricle
    right = patient.right_mm * taper * math.sqrt(right_taper) * (1.0 - patient.right_shortening * squeeze)
    return Section(cavity, outside, right, patient.right_offset_mm * taper)


def lens_area_mm2(a: float, b: float, distance: float) -> float:
    """Area common to two discs of radii `a` and `b` (Weisstein, Circle-Circle Intersection, MathWorld).

    >>> round(lens_area_mm2(2.0, 1.0, 0.5), 6) == round(math.pi, 6), lens_area_mm2(1.0, 1.0, 2.5)
    (True, 0.0)
    """
    if distance >= a + b or min(a, b) <= 0:
        return 0.0
    if distance <= abs(a - b):
        return math.pi * min(a, b) ** 2
    first = a**2 * math.acos((distance**2 + a**2 - b**2) / (2 * distance * a))
    second = b**2 * math.acos((distance**2 + b**2 - a**2) / (2 * distance * b))
    kite = (-distance + a + b) * (distance + a - b) * (distance - a + b) * (distance + a + b)
    return first + second - 0.5 * math.sqrt(kite)


def crescent_area_mm2(disc: float, cover: float, distance: float) -> float:
    """Area of a disc of radius `disc` minus the part hidden by a disc of radius `cover`.

    >>> round(crescent_area_mm2(1.0, 1.0, 3.0) / math.pi, 6)
    1.0
    """
    return math.pi * disc**2 - lens_area_mm2(disc, cover, distance)
