"""Does it matter how a stack is stored or how the heart lies in the picture? The same pixels, laid down otherwise.

    python benchmarks/poses.py DATA OUT.csv [--orders] [--turns] [PATIENT ...]

DATA holds `acdc` and `sunnybrook`. Each volume (ED, one phase) is written as NIfTI in eight poses, with a header that
says so and with one that does not, segmented, and its labels are brought back. A line each: Dice with the labels of the
volume as delivered (mean of the structures), and with the expert's (mean; of Sunnybrook the left cavity in contoured
slices). `--orders` writes it in all 48 orders of its axes, truthfully; `--turns` turns it in between.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform

from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.results import SEGMENTATION, write_labels
from pipeline.app.segmenter import Segmenter
from pipeline.core.labels import LV, STRUCTURES, UNLABELLED
from pipeline.read.cine import read_cine, read_label
from pipeline.read.datasets import load_datalist

PATIENTS = ("patient006", "patient021", "patient053", "patient084", "SCD0000101", "SCD0000201")
"""Validation patients of the shipped U-Net, and both Sunnybrook studies."""


@dataclass(frozen=True)
class Volume:
    """One phase (X, Y, Z), where it lies, and the expert's labels, 255 where nobody has drawn."""

    name: str
    array: np.ndarray
    affine: np.ndarray
    expert: np.ndarray


@dataclass(frozen=True)
class Layout:
    """A way of storing a volume: what becomes of an array of it and of its affine, and how labels come back."""

    name: str
    store: Callable[[np.ndarray], np.ndarray]
    restore: Callable[[np.ndarray], np.ndarray]
    affine: np.ndarray


def volumes(data: Path, patients: tuple[str, ...]) -> Iterator[Volume]:
    """The ED phases of patients of either data set."""
    for case in load_datalist(data / "acdc"):
        if case["patient"] in patients and case["phase"] == "ED":
            cine, expert = read_cine(case["image"]), read_label(case["label"], scheme=case["scheme"])
            yield Volume(case["patient"], cine.array[0], cine.grid.affine, expert.array[0])
    with tempfile.TemporaryDirectory() as folder:
        for case in load_datalist(data / "sunnybrook", layout="sunnybrook", label_dir=Path(folder)):
            name = Path(case["image"]).name
            if name not in patients:
                continue
            cine = read_cine(case["image"])
            drawn = read_label(case["label"], scheme=case["scheme"], drawn_phases=case.get("drawn_phases")).array
            phase = int(((drawn == LV.value).sum(axis=(1, 2, 3))).argmax())  # of both contoured ones, the larger cavity
            yield Volume(name, cine.array[phase], cine.grid.affine, drawn[phase])


def stored(name: str, volume: Volume, order: tuple[int, ...], flips: tuple[int, ...], *, truthful: bool) -> Layout:
    """Axes in another order, then flipped; a header that lies is the one of the volume as delivered."""
    flipped = tuple(axis for axis, sign in enumerate(flips) if sign < 0)
    matrix = np.eye(4)
    for axis, (source, sign) in enumerate(zip(order, flips, strict=True)):
        matrix[:3, axis] = np.eye(3)[source] * sign
        matrix[source, 3] = 0 if sign > 0 else volume.array.shape[source] - 1
    return Layout(
        name,
        lambda array: np.flip(array.transpose(order), flipped),
        lambda array: np.flip(array, flipped).transpose(np.argsort(order)),
        volume.affine @ matrix if truthful else volume.affine,
    )


def turned(volume: Volume, degrees: float) -> Layout:
    """Turned about its middle in the plane, truthfully; half a pixel of detail is lost on the way."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    pixel = np.linalg.norm(volume.affine[:3, :2], axis=0)
    matrix = np.eye(4)
    matrix[:2, :2] = np.array([[cos, -sin], [sin, cos]]) * pixel[None] / pixel[:, None]
    middle = (np.array(volume.array.shape) - 1) / 2
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle
    return Layout(
        f"turned {degrees:g}",
        lambda array: affine_transform(array.astype(np.float32), matrix, order=1, mode="nearest"),
        lambda array: affine_transform(array, np.linalg.inv(matrix), order=0),
        volume.affine @ matrix,
    )


def layouts(volume: Volume, *, orders: bool, turns: bool) -> Iterator[Layout]:
    """All that a volume is stored as."""
    signs = (1, -1)
    if turns:
        yield from (turned(volume, degrees) for degrees in (15, 30, 45, 60, 135))
        return
    if orders:
        for order, flips in itertools.product(itertools.permutations(range(3)), itertools.product(signs, repeat=3)):
            yield stored(f"order {order} {flips}", volume, order, flips, truthful=True)
        return
    for truthful, order, x, y in itertools.product((True, False), ((0, 1, 2), (1, 0, 2)), signs, signs):
        name = f"{'truthful' if truthful else 'lying'} {order[:2]} {(x, y)}"
        yield stored(name, volume, order, (x, y, 1), truthful=truthful)


def labels_of(segmenter: Segmenter, array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Labels of a volume that is written, read and segmented, and whose answer is written and read by others."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.nii"
        image = nib.Nifti1Image(np.ascontiguousarray(array), affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, path)
        cine = read_cine(path)
        write_labels(Path(folder), cine, segmenter.segment(cine).labels)
        answer = nib.load(Path(folder) / SEGMENTATION)
        np.testing.assert_allclose(answer.affine, image.affine, atol=1e-3)
        return np.asarray(answer.dataobj)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Mean Dice of the structures that either has."""
    values = []
    for structure in STRUCTURES:
        a, b = one == structure.value, other == structure.value
        if a.any() or b.any():
            values.append(2 * (a & b).sum() / (a.sum() + b.sum()))
    return float(np.mean(values))


def expert_dice(labels: np.ndarray, volume: Volume) -> float:
    """Mean Dice with the expert; where he has drawn the left cavity in some slices alone, of it there."""
    if (volume.expert != UNLABELLED).all():
        return dice(labels, volume.expert)
    drawn = (volume.expert == LV.value).any(axis=(0, 1))
    a, b = (part[:, :, drawn] == LV.value for part in (labels, volume.expert))
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("patients", nargs="*", default=PATIENTS)
    parser.add_argument("--orders", action="store_true")
    parser.add_argument("--turns", action="store_true")
    parser.add_argument("--bundle", default=DEFAULT_BUNDLE)
    given = parser.parse_args()
    segmenter = Segmenter(given.bundle)
    with given.out.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["volume", "layout", "dice_as_delivered", "dice_expert"])
        for volume in volumes(given.data, tuple(given.patients)):
            before = labels_of(segmenter, volume.array, volume.affine)
            table.writerow([volume.name, "as delivered", 1.0, round(expert_dice(before, volume), 4)])
            for layout in layouts(volume, orders=given.orders, turns=given.turns):
                labels = layout.restore(labels_of(segmenter, layout.store(volume.array), layout.affine))
                scores = [round(dice(labels, before), 4), round(expert_dice(labels, volume), 4)]
                table.writerow([volume.name, layout.name, *scores])
                file.flush()
                print(volume.name, layout.name, *scores, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
