"""One image and its label: what exactly is said of them (what keeps a data set out: test_gate)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.digests import labels_digest, voxels_digest
from pipeline.read.cine import read_cine
from pipeline.read.findings import CheckedCase, Finding, fault, note
from pipeline.read.pairs import about_intensities, check_case

SHAPE = (10, 9, 4)
AFFINE = np.array([[-1.5, 0.0, 0.0, 40.0], [0.0, -1.25, 0.0, 30.0], [0.0, 0.0, 8.0, -20.0], [0.0, 0.0, 0.0, 1.0]])
AS_BACKGROUND = "taken for background; give them `ignore` by the scheme if nobody drew there"


def heart(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A cavity (1) within its wall (2), the right ventricle (3) beside them, in every slice."""
    labels = np.zeros(shape, np.uint8)
    labels[2:7, 2:7] = 2
    labels[3:6, 3:6] = 1
    labels[7:9, 3:6] = 3
    return labels


def picture(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(50, 900, shape).astype(np.int16)


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = AFFINE) -> str:
    nib.save(nib.Nifti1Image(array, affine), path)
    return str(path)


@pytest.fixture
def case(tmp_path: Path) -> dict[str, Any]:
    """A sound pair."""
    image, label = save(tmp_path / "i.nii", picture()), save(tmp_path / "l.nii", heart())
    return {"image": image, "label": label, "patient": "p", "phase": "", "scheme": "cmr"}


def findings(case: dict[str, Any], *, images: bool = False) -> tuple[Finding, ...]:
    return check_case(case, images=images).findings


def test_what_is_known_of_a_sound_pair(case: dict[str, Any]) -> None:
    assert check_case(case, images=False) == CheckedCase(
        case | {"spacing": (1.5, 1.25, 8.0)},
        shape=(10, 9, 4, 1),
        spacing_mm=(1.5, 1.25, 8.0),
        drawn_phases=(0,),
        n_drawn_slices=4,
        structures=frozenset({1, 2, 3}),
    )


def test_a_pack_s_case_passes_unread() -> None:
    packed = {"image": "gone.pack", "label": "gone.pack", "pack_index": 0}
    assert check_case(packed, images=True) == CheckedCase(packed)


def test_drawn_phases_and_slices_are_counted(case: dict[str, Any]) -> None:
    label = np.zeros((*SHAPE, 3), np.uint8)
    label[:, :, 1:, 2] = np.where(heart() == 3, 0, heart())[:, :, 1:]
    save(Path(case["image"]), picture((*SHAPE, 3)))
    save(Path(case["label"]), label)
    one = check_case(case, images=False)
    assert (one.shape, one.drawn_phases, one.n_drawn_slices, one.structures) == ((10, 9, 4, 3), (2,), 3, {1, 2})


def test_a_note_of_the_list_is_told_first(case: dict[str, Any]) -> None:
    assert findings(case | {"note": "its spacing is assumed"}) == (note("pair", "its spacing is assumed"),)
    assert findings(case | {"note": ""}) == ()


def test_one_file_for_both_is_a_fault(case: dict[str, Any]) -> None:
    assert findings(case | {"image": case["label"]}) == (fault("pair", "image and label must be two files, got one"),)


def test_files_that_cannot_be_read_are_told_without_their_names(case: dict[str, Any], tmp_path: Path) -> None:
    """Whoever lists the faults names them."""
    gone = case | {"image": str(tmp_path / "gone.nii"), "label": str(tmp_path / "lost.nii")}
    told = "a NIfTI file was expected here, but there is none"
    assert check_case(gone, images=False) == CheckedCase(gone, findings=(fault("image", told), fault("label", told)))


def test_of_a_label_without_its_image_the_values_are_looked_at(case: dict[str, Any], tmp_path: Path) -> None:
    one = check_case(case | {"image": str(tmp_path / "gone.nii")}, images=False)
    assert (one.shape, one.n_drawn_slices, one.structures) == (None, 4, {1, 2, 3})


@pytest.mark.parametrize(
    ("empty", "where"), [((1,), "slice 1 of phase 0"), ((1, 2), "slices 1, 2 of phase 0"), ((0,), None), ((3,), None)]
)
def test_slices_between_drawn_ones_are_named(case: dict[str, Any], empty: tuple[int, ...], where: str | None) -> None:
    label = heart()
    label[:, :, list(empty)] = 0
    save(Path(case["label"]), label)
    told = note("label", f"nothing is drawn in {where}, between drawn ones: {AS_BACKGROUND}")
    assert findings(case) == (() if where is None else (told,))


def test_a_stack_of_which_little_is_drawn_is_told_by_numbers(case: dict[str, Any]) -> None:
    label = heart()
    label[:, :, 2:] = 0
    save(Path(case["label"]), label)
    assert findings(case) == ()  # a half
    label[:, :, 1] = 0
    save(Path(case["label"]), label)
    told = f"drawn in 1 of 4 slices of phase 0: the others are {AS_BACKGROUND}"
    assert findings(case) == (note("label", told),)


def test_phases_that_are_stated_as_drawn_and_are_not(case: dict[str, Any]) -> None:
    save(Path(case["image"]), picture((*SHAPE, 3)))
    save(Path(case["label"]), np.stack([np.zeros_like(heart()), heart(), np.zeros_like(heart())], axis=-1))
    told = "nothing is drawn in phases [0, 2], which are stated as drawn"
    assert findings(case | {"drawn_phases": [0, 1, 2]}) == (note("label", told),)
    assert findings(case | {"drawn_phases": [1]}) == ()


def test_what_two_readers_say_is_told_once(case: dict[str, Any]) -> None:
    save(Path(case["label"]), heart(), np.eye(4))
    told = "its affine is lost; the image's is taken, for their shapes agree"
    assert findings(case) == (note("label", told),)


def test_a_label_that_does_not_fit_is_a_fault_of_the_pair(case: dict[str, Any]) -> None:
    save(Path(case["label"]), heart((9, 9, 4)), np.eye(4))
    told = "a label without a position of its own must have its image's shape (10, 9, 4) or extent, got (9, 9, 4)"
    one = check_case(case, images=False)
    assert one.findings == (fault("pair", f"{told}; save the label with the image's affine"),)
    assert (one.shape, one.structures) == ((10, 9, 4, 1), {1, 2, 3})


@pytest.mark.parametrize(("value", "what"), [(0, "background"), (255, "unlabelled")])
def test_a_label_with_nothing_in_it(case: dict[str, Any], value: int, what: str) -> None:
    save(Path(case["label"]), np.full(SHAPE, value, np.uint8))
    one = check_case(case, images=False)
    told = f"a label needs something drawn in it, this one is {what} throughout"
    assert one.findings == (fault("label", told),)
    assert (one.drawn_phases, one.n_drawn_slices, one.structures) == ((), 0, frozenset())


def test_values_of_no_scheme_are_told_and_the_place_is_looked_at_all_the_same(case: dict[str, Any]) -> None:
    label = heart((9, 9, 4))
    label[0, 0, 0] = 9
    save(Path(case["label"]), label, np.eye(4))
    first, second = findings(case)
    assert first.text.endswith("; map or drop them by `scheme` (`--scheme` on the command line)")
    assert (first.about, first.is_fault, second.about, second.is_fault) == ("label", True, "pair", True)
    assert "must have its image's shape (10, 9, 4)" in second.text


def test_a_structure_that_is_none_is_a_fault_of_the_label(case: dict[str, Any]) -> None:
    (found,) = findings(case | {"drawn_structures": ["atrium"]})[:1]
    assert found.about == "label"
    assert found.text.startswith("`drawn_structures` must be among LV, MYO, RV, got ['atrium']; map or drop them")


@pytest.mark.parametrize(
    ("stated", "beyond"), [(["LV", "MYO"], "RV"), (["MYO"], "LV and RV"), (["LV", "MYO", "RV"], None)]
)
def test_structures_that_are_there_and_said_to_be_undrawn(
    case: dict[str, Any], stated: list[str], beyond: str | None
) -> None:
    found = [one for one in findings(case | {"drawn_structures": stated}) if one.is_fault]
    told = fault("label", f"`drawn_structures` leaves out {beyond}, which it holds")
    assert found == ([] if beyond is None else [told])


def test_a_cavity_around_its_wall_is_a_fault(case: dict[str, Any]) -> None:
    told = "LV must lie within MYO, but MYO lies within LV: is `scheme` right?"
    assert findings(case | {"scheme": {0: 0, 1: 2, 2: 1, 3: 3}}) == (fault("label", told),)


def test_digests_of_what_was_accepted(case: dict[str, Any]) -> None:
    image, label = read_cine(case["image"]).array, heart()[None]
    accepted = {"image_sha256": voxels_digest(image), "label_sha256": labels_digest(label)}
    assert findings(case | accepted) == ()
    assert findings(case | {"image_sha256": "0" * 64, "label_sha256": "0" * 64}) == (
        fault("image", "it must be the very one that was segmented, and reads otherwise now"),
        fault("label", "it has changed since it was accepted; accept it again"),
    )


def test_pixels_are_read_where_they_are_asked_for(case: dict[str, Any]) -> None:
    save(Path(case["image"]), np.full(SHAPE, 7, np.int16))
    assert findings(case) == ()  # whole numbers, all there
    doubt = note("image", "all voxels have one value: there is nothing to see")
    one_value = fault("image", "an image needs more than one intensity, got 7 throughout")
    assert findings(case, images=True) == (doubt, one_value)
    save(Path(case["image"]), np.full(SHAPE, 7, np.float32))  # may hold what is no number
    assert findings(case) == (doubt, one_value)


def test_notes_of_the_reader_are_told_but_for_those_of_times(case: dict[str, Any]) -> None:
    image = picture((*SHAPE, 2)).astype(np.float32)
    image[0, 5, 1, 0] = np.nan
    save(Path(case["image"]), image)
    save(Path(case["label"]), np.stack([heart()] * 2, axis=-1))
    assert len(read_cine(case["image"]).notes) == 2
    (found,) = findings(case)
    assert (found.about, found.is_fault, found.text[:27]) == ("image", False, "1 voxel was NaN or infinite")


def test_a_folder_of_one_image_is_read(case: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "folder.nii").mkdir()
    image = Path(case["image"]).rename(tmp_path / "folder.nii" / "i.nii")
    one = check_case(case | {"image": str(image.parent)}, images=False)
    assert (one.findings, one.shape) == ((), (10, 9, 4, 1))


@pytest.mark.parametrize(("high", "n_faults"), [(7.0, 1), (7.5, 0)])
def test_one_intensity_alone_is_no_picture(high: float, n_faults: int) -> None:
    array = np.full((1, 2, 2, 1), 7.0)
    array[0, 0, 0, 0] = high
    assert len(about_intensities(array)) == n_faults
