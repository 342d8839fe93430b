"""A stack is one and the same in all 48 orders of its axes, and an answer lies in the file's own."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.app.results import SEGMENTATION, write_labels
from pipeline.prepare.transforms import StandardViewd
from pipeline.read.cine import read_cine
from pipeline.read.nifti import read_nifti, read_nifti_grid
from pipeline.read.transforms import CineLoadImaged

ORDERS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)))
"""Which axis comes where, and which are flipped: 48."""
SHORT_AXIS = np.array([[-0.71, -0.71, 0, 0], [0.41, -0.41, -0.82, 0], [0.58, 0.58, -0.58, 0], [9, 8, 7, 1.0]]).T


def _stored(image: nib.Nifti1Image, order: tuple[int, ...], flips: tuple[int, ...]) -> nib.Nifti1Image:
    """The image in another order of its axes, the affine following, by nibabel's own means."""
    return image.as_reoriented(np.column_stack([np.argsort(order), np.array(flips)[np.argsort(order)]]))


def _stack(*shape: int) -> nib.Nifti1Image:
    array = np.random.default_rng(0).integers(0, 1000, shape).astype(np.int16)
    image = nib.Nifti1Image(array, SHORT_AXIS @ np.diag([1.5, 1.25, 8.0, 1.0]))
    image.header.set_xyzt_units("mm", "msec")
    return image


@pytest.mark.parametrize("shape", [(20, 24, 6), (20, 24, 6, 3)], ids=["volume", "cine"])
@pytest.mark.parametrize(("order", "flips"), ORDERS)
def test_network_sees_one_stack_and_the_answer_lies_as_the_file_does(tmp_path: Path, order, flips, shape) -> None:
    original, path = _stack(*shape), tmp_path / "other.nii"
    nib.save(original, tmp_path / "one.nii")
    nib.save(_stored(original, order, flips), path)
    load = CineLoadImaged("image")
    one, other = (StandardViewd("image")(load({"image": str(tmp_path / name)}))["image"] for name in ("one.nii", path))
    np.testing.assert_array_equal(other.as_tensor(), one.as_tensor())
    np.testing.assert_allclose(other.affine, one.affine, atol=1e-4)

    cine = read_nifti(path)
    assert cine.grid.matches(read_nifti_grid(path))
    assert cine.grid.shape[2] == 6
    write_labels(tmp_path, cine, (np.asarray(cine.array) % 4).astype(np.uint8))
    stored, answer = nib.load(path), nib.load(tmp_path / SEGMENTATION)
    assert answer.shape == stored.shape
    np.testing.assert_allclose(answer.affine, stored.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(answer.dataobj), np.asarray(stored.dataobj) % 4)
    np.testing.assert_array_equal(read_nifti(tmp_path / SEGMENTATION).array, np.asarray(cine.array) % 4)


def test_a_stack_whose_slice_axis_nobody_can_tell_says_so(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((30, 32, 28), np.int16), SHORT_AXIS), tmp_path / "cube.nii")
    assert "slice axis" in read_nifti(tmp_path / "cube.nii").notes[-1]


@pytest.mark.parametrize(("order", "flips"), ORDERS[::5])
def test_a_real_stack_in_every_order(tmp_path: Path, cmr_data: Path, order, flips) -> None:
    """ACDC with its spacing repaired, as a program that trusts affines would store it."""
    source = cmr_data / "acdc" / "patient001" / "patient001_frame01.nii.gz"
    cine = read_cine(source)
    original = nib.Nifti1Image(cine.array[0], cine.grid.affine)
    nib.save(_stored(original, order, flips), tmp_path / "other.nii")
    load = CineLoadImaged("image")
    one, other = (
        StandardViewd("image")(load({"image": str(path)}))["image"] for path in (source, tmp_path / "other.nii")
    )
    np.testing.assert_array_equal(other.as_tensor(), one.as_tensor())
    np.testing.assert_array_equal(one.as_tensor()[0], cine.array[0])  # as delivered, and as the networks know it
