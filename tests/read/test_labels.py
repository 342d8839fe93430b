"""Label maps as a training takes them (what keeps them out: test_gate; where they lie: test_alignment)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.core.errors import GridError, HeaderError, LabelError, UnreadableError
from pipeline.core.geometry import Grid
from pipeline.read.labels import drawn_values, read_case_label, read_stored_label, short_names

SPACING = (1.5, 1.25, 8.0)
AFFINE = np.array([[-1.5, 0.0, 0.0, 40.0], [0.0, -1.25, 0.0, 30.0], [0.0, 0.0, 8.0, -20.0], [0.0, 0.0, 0.0, 1.0]])
GRID = Grid((4, 3, 2), AFFINE)


def labels(*phases: int) -> np.ndarray:
    """(X, Y, Z), or (X, Y, Z, T) where phases are given: the values 0 to 3, and a phase's own in the first voxel."""
    volume = (np.arange(24) % 4).reshape(4, 3, 2).astype(np.uint8)
    if not phases:
        return volume
    cine = np.stack([volume] * len(phases), axis=-1)
    cine[0, 0, 0] = phases
    return cine


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = AFFINE, *, step: float | None = None) -> Path:
    image = nib.Nifti1Image(array, affine)
    if step is not None:
        image.header["pixdim"][4] = step
    nib.save(image, path)
    return path


def contradict(path: Path) -> Path:
    """Let the header state 3 mm beside its sform, by which it is not believed."""
    content = bytearray(path.read_bytes())
    content[80:92] = np.full(3, 3.0, "<f4").tobytes()
    path.write_bytes(bytes(content))
    return path


def test_a_sound_label_map_is_as_stored(tmp_path: Path) -> None:
    stored = read_stored_label(str(save(tmp_path / "l.nii", labels(3, 1), step=1.0)))
    np.testing.assert_array_equal(stored.array, np.moveaxis(labels(3, 1), -1, 0))
    assert stored.grid is not None
    assert stored.grid.matches(GRID)
    assert stored.notes == ()  # that it has no times is no matter


def test_notes_on_its_header_are_kept(tmp_path: Path) -> None:
    path = save(tmp_path / "l.nii", labels())
    path.write_bytes(path.read_bytes() + b"more")
    assert read_stored_label(path).notes == ("4 bytes follow the voxels and are passed over",)


def test_a_label_that_says_no_place_has_its_spacing_and_no_notes(tmp_path: Path) -> None:
    image = nib.Nifti1Image(labels(), None)
    image.header["pixdim"][1:4] = SPACING
    nib.save(image, tmp_path / "l.nii")
    stored = read_stored_label(tmp_path / "l.nii")
    assert stored.grid is not None
    assert (stored.grid.shape, stored.notes) == ((4, 3, 2), ())
    np.testing.assert_array_equal(stored.grid.affine, np.diag([*SPACING, 1.0]))
    np.testing.assert_array_equal(stored.array[0], labels())


@pytest.mark.parametrize("code", ["sform_code", "qform_code"])
def test_either_form_is_a_place(tmp_path: Path, code: str) -> None:
    image = nib.Nifti1Image(labels(), AFFINE)
    image.set_sform(AFFINE, code=int(code == "sform_code"))
    image.set_qform(AFFINE, code=int(code == "qform_code"))
    nib.save(image, tmp_path / "l.nii")
    stored = read_stored_label(tmp_path / "l.nii")
    assert stored.grid is not None
    assert stored.grid.matches(GRID)


@pytest.mark.parametrize("array", [labels(), labels(3, 1, 2), labels().astype(np.float32), labels().astype(np.int16)])
def test_of_a_header_that_is_not_believed_the_pixels_are_taken(tmp_path: Path, array: np.ndarray) -> None:
    path = contradict(save(tmp_path / "l.nii", array))
    stored = read_stored_label(path)
    np.testing.assert_array_equal(stored.array, array[None] if array.ndim == 3 else np.moveaxis(array, -1, 0))
    assert stored.grid is None
    assert stored.notes == (
        "its header is not believed (sform and pixdim must state one spacing, or volumes are ambiguous: sform (1.5, "
        "1.25, 8.0) mm, pixdim (3.0, 3.0, 3.0) mm; correct the header); the image's affine is taken",
    )


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 3, 2, 2, 2), np.uint8),
        np.zeros((4, 3), np.uint8),
        np.zeros((4, 3, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]),
        np.zeros((4, 3, 2), np.complex64),
    ],
)
def test_of_what_is_no_label_map_nothing_is_taken(tmp_path: Path, array: np.ndarray) -> None:
    path = contradict(save(tmp_path / "l.nii", array))
    with pytest.raises((HeaderError, UnreadableError)) as caught:
        read_stored_label(path)
    assert caught.value.path == path


def test_a_file_cut_short_is_refused_whatever_its_header(tmp_path: Path) -> None:
    path = contradict(save(tmp_path / "l.nii", labels()))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(HeaderError, match=r"must state one spacing.*\[.*l\.nii\]"):
        read_stored_label(path)
    (tmp_path / "m.nii.gz").write_bytes(gzip.compress(b"no image"))
    with pytest.raises(UnreadableError, match=r"\[.*m\.nii\.gz\]"):
        read_stored_label(tmp_path / "m.nii.gz")


def test_a_label_of_another_format_keeps_its_place(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(labels().T), str(tmp_path / "l.mha"))
    stored = read_stored_label(tmp_path / "l.mha")
    assert stored.grid is not None
    assert stored.grid.affine.tolist() == np.diag([-1.0, -1.0, 1.0, 1.0]).tolist()


def case_label(path: Path, n_phases: int = 1, **facts: Any) -> np.ndarray:
    return read_case_label({"label": path, "scheme": "acdc", **facts}, grid=GRID, n_phases=n_phases).array


def test_a_case_s_label_is_in_our_values_on_its_image(tmp_path: Path) -> None:
    path = save(tmp_path / "l.nii", labels())
    cine = read_case_label({"label": path, "scheme": "acdc"}, grid=GRID, n_phases=1)
    np.testing.assert_array_equal(cine.array[0], np.array([0, 3, 2, 1])[labels()])
    assert (cine.array.dtype, cine.grid, cine.notes) == (np.uint8, GRID, ())


def test_notes_of_the_header_go_before_those_of_the_place(tmp_path: Path) -> None:
    path = save(tmp_path / "l.nii", labels(), np.diag([-1.5, -1.25, 8.0, 1.0]))  # at no place
    path.write_bytes(path.read_bytes() + b"more")
    assert read_case_label({"label": path, "scheme": "acdc"}, grid=GRID, n_phases=1).notes == (
        "4 bytes follow the voxels and are passed over",
        "its affine is lost; the image's is taken, for their shapes agree",
    )


def test_phases_of_a_label_that_holds_the_drawn_ones_alone(tmp_path: Path) -> None:
    found = case_label(save(tmp_path / "l.nii", labels(1, 3)), n_phases=4, drawn_phases=[3, 1])
    assert found[:, 0, 0, 0].tolist() == [255, 3, 255, 1]


def test_undrawn_slices_and_structures_are_left_open(tmp_path: Path) -> None:
    path = save(tmp_path / "l.nii", np.where(labels() == 1, 0, labels()).astype(np.uint8))
    found = case_label(path, undrawn_slices=[1], drawn_structures="LV MYO")
    assert (found[..., 1] == 255).all()
    assert sorted(np.unique(found[..., 0])) == [2, 137]  # ACDC's 1 is the right ventricle
    assert (case_label(path, undrawn_slices=[0])[..., 0] == 255).all()
    assert (case_label(path, undrawn_slices=[]) != 255).all()


@pytest.mark.parametrize("undrawn", [[2], [-1], [0, 7]])
def test_undrawn_slices_that_are_not_there(tmp_path: Path, undrawn: list[int]) -> None:
    with pytest.raises(GridError) as caught:
        case_label(save(tmp_path / "l.nii", labels()), undrawn_slices=undrawn)
    assert str(caught.value) == f"`undrawn_slices` must be from 0 to 1, got {undrawn}"


@pytest.mark.parametrize(
    ("stated", "values"),
    [
        (None, None),
        ("", None),
        ((), None),
        ("rv", (3,)),
        ("MYO LV", (2, 1)),
        ("LV,MYO", (1, 2)),
        (["left_ventricle", "Myocardium", "RV"], (1, 2, 3)),
    ],
)
def test_drawn_structures_by_either_name(stated: Any, values: tuple[int, ...] | None) -> None:
    assert drawn_values({"drawn_structures": stated}) == values


def test_structures_that_are_none_are_named() -> None:
    with pytest.raises(LabelError) as caught:
        drawn_values({"drawn_structures": "LV LA 7"})
    assert str(caught.value) == "`drawn_structures` must be among LV, MYO, RV, got ['LA', '7']"
    assert drawn_values({}) is None


@pytest.mark.parametrize(("values", "names"), [((), ""), ((2,), "MYO"), ((3, 2, 1), "LV and MYO and RV"), ((9,), "")])
def test_structures_by_their_short_names(values: tuple[int, ...], names: str) -> None:
    assert short_names(values) == names
