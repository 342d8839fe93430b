"""Rules on the shape of a heart at one phase, from anatomy and the stack of slices.

Each rule is a function of a `Heart` and gives at most one flag. Each threshold is documented with its reason.
docs/quality.md says how often experts' labels cross each of them.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from pipeline.core.labels import LV, MYO, RV, STRUCTURES
from pipeline.core.measurements import Flag, Severity
from pipeline.measure.quality.heart import Heart, name_slices

__all__ = [
    "ANATOMY_RULES",
    "border_mm",
    "check_enclosure",
    "check_gaps",
    "check_holes",
    "check_is_heart",
    "check_pieces",
    "check_present",
    "check_sides",
    "check_swapped",
]

MIN_RINGS = 2
"""Least number of slices with the cavity in a ring of wall. A left ventricle has six or more, 10 mm apart."""

RING_OPEN = 0.1
"""Fraction of a cavity's border that may lack wall. A closed ring has none. Below the base experts leave none open."""

OPEN_MM = 20.0
"""The same in mm, since a cavity of a few pixels, at the apex, touches more than its wall by chance."""

BASE_OPEN = 0.5
"""The same fraction in the most basal slice, which counts if half of its circumference is muscle (SCMR,
Schulz-Menger et al., JCMR 22:19, 2020, as commonly read)."""

APART = 0.01
"""Fraction of all labelled voxels in pieces that do not touch the heart. Smaller pieces change no volume by more."""

WHICH_HEART = 0.1
"""The same fraction from which it is unclear which of the pieces is the heart."""

SECOND_PIECE = 0.05
"""A structure's other pieces, as a fraction of its largest. Experts draw some at the base, where the wall parts and the
right ventricle has two ends. The largest is 0.04."""

HOLE_MM2 = 10.0
"""Area without a label inside a structure in one slice. 10 mm2 is three or four pixels."""

SIDE_COSINE = -0.3
"""Cosine between the direction from left to right ventricle and right-anterior, where it should point: 107 degrees. In
files that claim axial slices, as ACDC's do, it is -0.05 to 1 over the experts' labels."""

_TOUCHING = np.ones((3, 3, 3), dtype=bool)
_RIGHT_ANTERIOR_RAS = np.array([1.0, 1.0, 0.0]) / np.sqrt(2.0)


def check_present(heart: Heart) -> Flag | None:
    """`missing_structure`, fail: a structure is nowhere."""
    missing = [s.name.replace("_", " ") for s in STRUCTURES if heart.volumes_ml[s.name] == 0]
    if not missing:
        return None
    return Flag("missing_structure", "fail", f"Nothing is labelled {' or '.join(missing)}.", phase=heart.phase)


def check_is_heart(heart: Heart) -> Flag | None:
    """`not_a_heart`, fail: fewer than `MIN_RINGS` slices show a cavity in a ring of wall, though there is a cavity."""
    if heart.volumes_ml[LV.name] == 0:
        return None
    whole, bare = border_mm(heart, LV.value)
    n_rings = int(((whole > 0) & (bare <= RING_OPEN * whole)).sum())
    if n_rings >= MIN_RINGS:
        return None
    sentence = f"The left cavity lies in a ring of myocardium in {n_rings} slice(s) only: it may be no left ventricle."
    return Flag("not_a_heart", "fail", sentence, phase=heart.phase, value=float(n_rings), threshold=float(MIN_RINGS))


def check_gaps(heart: Heart) -> Flag | None:
    """`slice_gap`, fail: a structure is missing in a slice between slices that show it, so its volume is too small."""
    gaps: dict[str, list[int]] = {}
    for structure in STRUCTURES:
        shown = np.flatnonzero(heart.areas_mm2[structure.name])
        missing = sorted(set(range(shown[0], shown[-1])) - set(shown.tolist())) if shown.size else []
        if missing:
            gaps[structure.name.replace("_", " ")] = missing
    if not gaps:
        return None
    slices = sorted({z for missing in gaps.values() for z in missing})
    sentence = f"Missing between slices that show it: {' and '.join(gaps)} ({name_slices(slices)})."
    return Flag("slice_gap", "fail", sentence, phase=heart.phase, slice=slices[0], value=float(len(slices)))


def check_pieces(heart: Heart) -> Flag | None:
    """`extra_piece`: labels apart from the heart (fail from `WHICH_HEART` on), or a structure in two large pieces."""
    apart, where = _other_pieces(heart.labels, [s.value for s in STRUCTURES])
    share = apart / max(1, _count(heart.labels, [s.value for s in STRUCTURES]))
    if share > APART:
        severity: Severity = "fail" if share > WHICH_HEART else "review"
        sentence = f"A piece apart from the heart holds {share:.0%} of what is labelled, {name_slices([where])}."
        return Flag("extra_piece", severity, sentence, heart.phase, where, share, APART)
    found = [(s, *_other_pieces(heart.labels, [s.value])) for s in STRUCTURES]
    shares = [n / max(1, _count(heart.labels, [s.value]) - n) for s, n, _ in found]
    worst = int(np.argmax(shares))
    if shares[worst] <= SECOND_PIECE:
        return None
    structure, _, where = found[worst]
    name = structure.name.replace("_", " ")
    sentence = f"The {name} lies in pieces, {shares[worst]:.0%} apart from the largest, {name_slices([where])}."
    return Flag("extra_piece", "review", sentence, heart.phase, where, shares[worst], SECOND_PIECE)


def check_holes(heart: Heart) -> Flag | None:
    """`hole`, review: background inside the left heart, or inside the right ventricle, in a slice."""
    areas = np.zeros(heart.labels.shape[2])
    for mask in (heart.left_heart, heart.labels == RV.value):
        for z in np.flatnonzero(mask.any(axis=(0, 1))):
            filled = ndimage.binary_fill_holes(mask[:, :, z])
            areas[z] += (filled & (heart.labels[:, :, z] == 0)).sum() * heart.pixel_mm2
    slices = np.flatnonzero(areas > HOLE_MM2)
    if not slices.size:
        return None
    worst = int(areas.argmax())
    sentence = f"A hole of {areas[worst]:.0f} mm2 lies inside a structure ({name_slices(slices)})."
    return Flag("hole", "review", sentence, heart.phase, worst, float(areas[worst]), HOLE_MM2)


def check_enclosure(heart: Heart) -> Flag | None:
    """`open_wall`, review: the left cavity's border lacks myocardium, see `RING_OPEN` and `BASE_OPEN`."""
    whole, bare = border_mm(heart, LV.value)
    fractions = bare / np.maximum(whole, 1e-9)
    limits = np.full(len(fractions), RING_OPEN)
    if heart.basal_slice is not None:
        limits[heart.basal_slice] = BASE_OPEN
    excess = np.where(bare > OPEN_MM, fractions - limits, 0.0)
    slices = np.flatnonzero(excess > 0)
    if not slices.size:
        return None
    worst = int(excess.argmax())
    sentence = f"No myocardium along {fractions[worst]:.0%} of the left cavity's border ({name_slices(slices)})."
    return Flag("open_wall", "review", sentence, heart.phase, worst, float(fractions[worst]), float(limits[worst]))


def check_swapped(heart: Heart) -> Flag | None:
    """`ventricles_swapped`, fail: more of the right ventricle's border than of the left one's is myocardium."""
    if not (heart.volumes_ml[LV.name] and heart.volumes_ml[RV.name]):
        return None
    left, right = (float(bare.sum() / whole.sum()) for whole, bare in (border_mm(heart, s.value) for s in (LV, RV)))
    if left <= right:
        return None
    sentence = (
        f"Myocardium lies along {1 - right:.0%} of the right ventricle's border and {1 - left:.0%} of the left one's: "
        "they may be swapped."
    )
    return Flag("ventricles_swapped", "fail", sentence, heart.phase, value=left, threshold=right)


def check_sides(heart: Heart) -> Flag | None:
    """`right_ventricle_side`, review: the right ventricle does not lie to the patient's right and front of the left."""
    if not (heart.volumes_ml[LV.name] and heart.volumes_ml[RV.name]):
        return None
    left, right = (np.argwhere(heart.labels == s.value).mean(axis=0) for s in (LV, RV))
    way = heart.grid.affine[:3, :3] @ (right - left)
    cosine = float(way @ _RIGHT_ANTERIOR_RAS / max(np.linalg.norm(way), 1e-9))
    if cosine >= SIDE_COSINE:
        return None
    sentence = (
        "The right ventricle lies to the left or back of the left one: they are swapped, the picture is mirrored or "
        "its orientation lost, or the heart is on the right."
    )
    return Flag("right_ventricle_side", "review", sentence, heart.phase, value=cosine, threshold=SIDE_COSINE)


ANATOMY_RULES = (
    check_present,
    check_is_heart,
    check_gaps,
    check_pieces,
    check_holes,
    check_enclosure,
    check_swapped,
    check_sides,
)
"""In the order of their flags."""


def border_mm(heart: Heart, value: int) -> tuple[np.ndarray, np.ndarray]:
    """Length of a cavity's border in each slice, and of the part that does not touch myocardium.

    The border is the length of the pixel edges between the cavity and anything else, including the image's outside.

    Args:
        heart: labels at one phase.
        value: the cavity's label.

    Returns:
        Two arrays (Z,) in mm, 0 in slices without the cavity.
    """
    whole, bare = np.zeros((2, heart.labels.shape[2]))
    around = np.pad(heart.labels, ((1, 1), (1, 1), (0, 0)))
    for axis in (0, 1):
        edge_mm = heart.grid.spacing_mm[1 - axis]
        for step in (1, -1):
            beside = np.roll(around, step, axis=axis)
            border = (around == value) & (beside != value)
            whole += edge_mm * border.sum(axis=(0, 1))
            bare += edge_mm * (border & (beside != MYO.value)).sum(axis=(0, 1))
    return whole, bare


def _other_pieces(labels: np.ndarray, values: list[int]) -> tuple[int, int]:
    """Voxels outside the largest connected piece of some labels, and the slice with most of them."""
    pieces, n_pieces = ndimage.label(np.isin(labels, values), structure=_TOUCHING)
    if n_pieces < 2:
        return 0, 0
    largest = 1 + int(np.bincount(pieces.ravel())[1:].argmax())
    others = ((pieces > 0) & (pieces != largest)).sum(axis=(0, 1))
    return int(others.sum()), int(others.argmax())


def _count(labels: np.ndarray, values: list[int]) -> int:
    return int(np.isin(labels, values).sum())
