"""Simulated scan of a section: anti-aliased tissues, coil field, noise.

A pixel at signed distance d inside a circle's edge is covered by about clip(1/2 + d / pixel), which anti-aliases edges.
Truth masks use the pixel's centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.labels import LV, MYO, RV
from pipeline.phantom.anatomy import Patient, Section

__all__ = ["Scanner", "draw_labels", "draw_picture", "make_scanner"]

_AIR, _LUNG, _MUSCLE, _BLOOD, _FAT, _LIVER = 0.01, 0.06, 0.30, 0.85, 1.0, 0.42


@dataclass(frozen=True)
class Scanner:
    """Parameters of one scan.

    Attributes:
        size: pixels along X and Y.
        pixel_mm: size of one.
        gain: stored units of a signal of 1.
        noise: standard deviation of each of the two quadrature channels.
        blood, muscle: factors on those tissues' signal.
        bias: coefficients of the logarithm of the coil's field in x, y, xy, x^2, y^2.
        shifts_mm: displacement of each slice by breathing, (n_slices, 2).
    """

    size: int
    pixel_mm: float
    gain: float
    noise: float
    blood: float
    muscle: float
    bias: tuple[float, ...]
    shifts_mm: np.ndarray


def make_scanner(seed: int, *, size: int, pixel_mm: float, n_slices: int) -> Scanner:
    """Draw a scan. The same seed gives the same one."""
    rng = np.random.default_rng([seed, 3])
    return Scanner(
        size=size,
        pixel_mm=pixel_mm,
        gain=rng.uniform(500.0, 1500.0),
        noise=rng.uniform(0.015, 0.04),
        blood=rng.uniform(0.9, 1.1),
        muscle=rng.uniform(0.8, 1.3),
        bias=tuple(rng.uniform(-0.35, 0.35, size=5)),
        shifts_mm=rng.normal(0.0, 1.0, size=(n_slices, 2)),
    )


def heart_coordinates(patient: Patient, scanner: Scanner, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (mm) of each pixel's centre around the left ventricle's axis, the right ventricle at negative u."""
    x, y = _plane(scanner)
    x = x - patient.centre_mm[0] - scanner.shifts_mm[k, 0]
    y = y - patient.centre_mm[1] - scanner.shifts_mm[k, 1]
    cos, sin = np.cos(patient.turn), np.sin(patient.turn)
    return cos * x + sin * y, cos * y - sin * x


def draw_labels(circles: Section, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Truth of one slice, (X, Y) uint8: a pixel belongs to what its centre lies in."""
    labels = np.zeros(u.shape, dtype=np.uint8)
    radius = np.hypot(u, v)
    labels[np.hypot(u + circles.right_offset_mm, v) < circles.right_mm] = RV.value
    labels[radius < circles.epicardium_mm] = MYO.value
    labels[radius < circles.cavity_mm] = LV.value
    return labels


def draw_picture(circles: Section, u: np.ndarray, v: np.ndarray, scanner: Scanner) -> np.ndarray:
    """Signal of one slice, (X, Y) float, before the coil's field and noise."""
    picture = _chest(scanner)
    blood, muscle = _BLOOD * scanner.blood, _MUSCLE * scanner.muscle
    right = np.hypot(u + circles.right_offset_mm, v)
    radius = np.hypot(u, v)
    _paint(picture, circles.right_mm + 5.0 - right, _FAT * 0.8, scanner, when=circles.right_mm > 0)
    _paint(picture, circles.right_mm + 2.5 - right, muscle, scanner, when=circles.right_mm > 0)
    _paint(picture, circles.right_mm - right, blood, scanner, when=circles.right_mm > 0)
    _paint(picture, circles.epicardium_mm - radius, muscle, scanner, when=circles.epicardium_mm > 0)
    _paint(picture, circles.cavity_mm - radius, blood, scanner, when=circles.cavity_mm > 0)
    for angle in (0.9, 3.9):  # two papillary muscles, within the cavity
        place = 0.62 * circles.cavity_mm
        distance = np.hypot(u - place * np.cos(angle), v - place * np.sin(angle))
        _paint(picture, 0.17 * circles.cavity_mm - distance, muscle, scanner, when=circles.cavity_mm > 8)
    return picture


def expose(picture: np.ndarray, scanner: Scanner, rng: np.random.Generator) -> np.ndarray:
    """Coil field, noise of a magnitude image (Rician), and gain, as (X, Y) uint16."""
    x, y = (axis / (0.5 * scanner.size * scanner.pixel_mm) for axis in _plane(scanner))
    field = np.exp(sum(c * basis for c, basis in zip(scanner.bias, (x, y, x * y, x * x, y * y), strict=True)))
    real = picture * field + rng.normal(0.0, scanner.noise, picture.shape)
    imaginary = rng.normal(0.0, scanner.noise, picture.shape)
    return np.clip(scanner.gain * np.hypot(real, imaginary), 0, 65535).astype(np.uint16)


def _plane(scanner: Scanner) -> tuple[np.ndarray, np.ndarray]:
    axis = (np.arange(scanner.size) - (scanner.size - 1) / 2) * scanner.pixel_mm
    return axis[:, None], axis[None, :]


def _chest(scanner: Scanner) -> np.ndarray:
    """Air, a rim of fat, muscle, two lungs, liver, spine and aorta."""
    x, y = _plane(scanner)
    half = 0.5 * scanner.size * scanner.pixel_mm
    picture = np.full((scanner.size, scanner.size), _AIR)
    for centre, axes, signal in (
        ((0.0, 0.0), (0.97, 0.80), _FAT),
        ((0.0, 0.0), (0.91, 0.74), _MUSCLE * 1.1),
        ((0.45, -0.05), (0.38, 0.58), _LUNG),
        ((-0.52, -0.15), (0.30, 0.48), _LUNG),
        ((-0.35, 0.45), (0.42, 0.22), _LIVER),
        ((0.05, 0.62), (0.10, 0.10), 0.5),
        ((0.22, 0.52), (0.07, 0.07), _BLOOD),
    ):
        u, v = (x / half - centre[0]) / axes[0], (y / half - centre[1]) / axes[1]
        _paint(picture, (1.0 - np.hypot(u, v)) * half * min(axes), signal, scanner)
    return picture


def _paint(picture: np.ndarray, inside_mm: np.ndarray, signal: float, scanner: Scanner, *, when: bool = True) -> None:
    """Paint a tissue over the image where `inside_mm`, the signed distance to its edge, is positive."""
    if when:
        cover = np.clip(0.5 + inside_mm / scanner.pixel_mm, 0.0, 1.0)
        picture += cover * (signal - picture)
