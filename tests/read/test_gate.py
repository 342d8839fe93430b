"""The gate: every fault of a pair of image and label, made by hand, is told with its file; all are told at once."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.core.errors import DatasetError
from pipeline.read import gate
from pipeline.read.datasets import checked_datalist, load_datalist
from pipeline.read.findings import CheckedCase, faults_of
from pipeline.read.gate import check_cases, require_images
from pipeline.read.labels import read_case_label
from pipeline.read.nifti import read_nifti

AFFINE = np.array([[-1.5, 0.0, 0.0, 40.0], [0.0, -1.25, 0.0, 30.0], [0.0, 0.0, 8.0, -20.0], [0.0, 0.0, 0.0, 1.0]])
SHAPE = (24, 20, 4)


def heart(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A left cavity (1) within its wall (2), the right ventricle (3) beside them; nothing is symmetric."""
    labels = np.zeros(shape, np.uint8)
    labels[4:13, 5:14, :3] = 2
    labels[6:11, 7:12, :3] = 1
    labels[13:18, 6:12, 1:3] = 3
    return labels


def picture(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(50, 900, shape).astype(np.int16)


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = AFFINE) -> Path:
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm", "msec")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def contradict(path: Path, array: np.ndarray) -> None:
    """Write a file again with 3 mm in `pixdim`, which its sform contradicts."""
    header = nib.load(path).header
    header["pixdim"][1:4], header["vox_offset"] = 3.0, 352
    path.write_bytes(gzip.compress(header.binaryblock + b"\0" * 4 + array.tobytes("F")))


class Pairs:
    """A data set in the making: pairs of files, and the list that names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, str]] = []

    def add(
        self,
        name: str,
        image: np.ndarray,
        label: np.ndarray,
        *,
        image_affine: np.ndarray | None = AFFINE,
        label_affine: np.ndarray | None = AFFINE,
        **row: str,
    ) -> Pairs:
        save(self.folder / f"{name}.nii.gz", image, image_affine)
        save(self.folder / f"{name}_gt.nii.gz", label, label_affine)
        listed = {"image": f"{name}.nii.gz", "label": f"{name}_gt.nii.gz", "patient": name, "scheme": "cmr"}
        self.rows.append(listed | row)
        return self

    def write(self) -> Path:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with (self.folder / "datalist.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.rows)
        return self.folder


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    return Pairs(tmp_path / "data")


def checked(pairs: Pairs) -> list[CheckedCase]:
    return check_cases(load_datalist(pairs.write()))


def the_fault(pairs: Pairs) -> str:
    (line,) = faults_of(checked(pairs))
    with pytest.raises(DatasetError) as raised:
        checked_datalist(pairs.folder)
    assert line in str(raised.value)
    return line


def laid(pairs: Pairs, place: int = 0) -> np.ndarray:
    case = checked_datalist(pairs.write())[place]
    image = read_nifti(case["image"])
    return read_case_label(case, grid=image.grid, n_phases=image.n_phases).array


def notes(pairs: Pairs) -> str:
    return "\n".join(finding.text for one in checked(pairs) for finding in one.notes)


def test_a_sound_pair_passes_with_nothing_to_say(pairs: Pairs) -> None:
    (one,) = checked(pairs.add("a", picture(), heart()))
    assert (one.findings, one.shape, one.spacing_mm) == ((), (24, 20, 4, 1), (1.5, 1.25, 8.0))
    assert (one.structures, one.drawn_phases) == ({1, 2, 3}, (0,))
    (case,) = checked_datalist(pairs.folder)
    assert case["spacing"] == (1.5, 1.25, 8.0)
    assert "drawn_structures" not in case
    np.testing.assert_array_equal(laid(pairs)[0], heart())


@pytest.mark.parametrize("affine", [np.eye(4), np.diag([-1.0, -1, 1, 1]), np.diag([1.5, 1.25, 8, 1.0]), None])
def test_a_label_that_lost_its_affine_takes_its_image_s(pairs: Pairs, affine: np.ndarray | None) -> None:
    pairs.add("a", picture(), heart(), label_affine=affine)
    np.testing.assert_array_equal(laid(pairs)[0], heart())
    assert "affine is lost; the image's is taken" in notes(pairs)
    assert checked_datalist(pairs.folder)[0]["spacing"] == (1.5, 1.25, 8.0)


def test_a_label_whose_header_contradicts_itself_takes_its_image_s(pairs: Pairs) -> None:
    pairs.add("a", picture(), heart())
    contradict(pairs.folder / "a_gt.nii.gz", heart())
    assert "header is not believed (sform and pixdim" in notes(pairs)
    np.testing.assert_array_equal(laid(pairs)[0], heart())


@pytest.mark.parametrize("flipped", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_a_label_stored_reversed_with_a_truthful_affine_is_turned_back_exactly(
    pairs: Pairs, flipped: tuple[int, ...]
) -> None:
    turned, affine = heart(), AFFINE.copy()
    for axis in flipped:
        turned = np.flip(turned, axis)
        affine[:3, 3] += affine[:3, axis] * (SHAPE[axis] - 1)
        affine[:3, axis] *= -1
    pairs.add("a", picture(), turned, label_affine=affine)
    np.testing.assert_array_equal(laid(pairs)[0], heart())
    assert "other axes than its image" in notes(pairs)


def test_a_label_with_its_axes_exchanged_is_turned_back_exactly(pairs: Pairs) -> None:
    pairs.add("a", picture(), heart().transpose(2, 0, 1), label_affine=AFFINE[:, [2, 0, 1, 3]])
    np.testing.assert_array_equal(laid(pairs)[0], heart())


def test_a_cropped_label_is_laid_where_it_belongs_and_the_rest_is_unlabelled(pairs: Pairs) -> None:
    affine = AFFINE.copy()
    affine[:3, 3] = (AFFINE @ [3, 4, 0, 1])[:3]
    pairs.add("a", picture(), heart()[3:19, 4:15], label_affine=affine)
    expected = np.full(SHAPE, 255, np.uint8)
    expected[3:19, 4:15] = heart()[3:19, 4:15]
    np.testing.assert_array_equal(laid(pairs)[0], expected)
    assert "covers 37% of its image" in notes(pairs)


def test_a_label_of_finer_voxels_takes_each_voxel_s_nearest(pairs: Pairs) -> None:
    fine = heart().repeat(2, 0).repeat(2, 1)
    affine = AFFINE @ np.diag([0.5, 0.5, 1, 1])
    affine[:3, 3] = (AFFINE @ [-0.25, -0.25, 0, 1])[:3]
    pairs.add("a", picture(), fine, label_affine=affine)
    np.testing.assert_array_equal(laid(pairs)[0], heart())


def test_a_label_beside_its_image_is_refused(pairs: Pairs) -> None:
    elsewhere = AFFINE.copy()
    elsewhere[0, 3] += 500
    fault = the_fault(pairs.add("a", picture(), heart(), label_affine=elsewhere))
    assert "100% of what is drawn lies outside" in fault


def test_a_label_of_another_shape_without_a_place_of_its_own_is_refused(pairs: Pairs) -> None:
    assert "must have its image's shape (24, 20, 4)" in the_fault(
        pairs.add("a", picture(), heart()[2:], label_affine=np.eye(4))
    )


def test_an_image_that_lost_its_spacing_is_refused_where_the_label_knows_it(pairs: Pairs) -> None:
    assert "correct the image's header" in the_fault(pairs.add("a", picture(), heart(), image_affine=np.eye(4)))


def test_an_image_whose_header_contradicts_itself_is_refused(pairs: Pairs) -> None:
    pairs.add("a", picture(), heart())
    contradict(pairs.folder / "a.nii.gz", picture())
    assert "sform and pixdim must state one spacing" in the_fault(pairs)


def test_a_3d_label_beside_a_cine_needs_its_phase(pairs: Pairs) -> None:
    pairs.add("a", picture((*SHAPE, 3)), heart())
    assert "1 phase and 3 phases; draw on the cine, pair" in the_fault(pairs)
    pairs.rows[0]["drawn_phases"] = "2"
    found = laid(pairs)
    np.testing.assert_array_equal(found[2], heart())
    assert (found[:2] == 255).all()


def test_a_cine_s_label_beside_one_volume_is_refused(pairs: Pairs) -> None:
    assert "3 phases and 1 phase" in the_fault(pairs.add("a", picture(), np.stack([heart()] * 3, axis=-1)))


def test_phases_of_a_cine_in_which_nothing_is_drawn_are_unlabelled(pairs: Pairs) -> None:
    label = np.zeros((*SHAPE, 4), np.uint8)
    label[..., 0] = label[..., 2] = heart()
    pairs.add("a", picture((*SHAPE, 4)), label)
    assert checked(pairs)[0].drawn_phases == (0, 2)
    assert [np.unique(phase).tolist() for phase in laid(pairs)] == [[0, 1, 2, 3], [255], [0, 1, 2, 3], [255]]


def test_stated_phases_in_which_nothing_is_drawn_are_told_and_teach_nothing(pairs: Pairs) -> None:
    label = np.stack([heart(), np.zeros_like(heart()), heart()], axis=-1)
    pairs.add("a", picture((*SHAPE, 3)), label, drawn_phases="0 1")
    assert "nothing is drawn in phases [1]" in notes(pairs)
    assert [np.unique(phase).tolist() for phase in laid(pairs)] == [[0, 1, 2, 3], [143], [255]]


def test_slices_without_a_drawing_between_drawn_ones_are_told(pairs: Pairs) -> None:
    label = heart()
    label[:, :, 1] = 0
    pairs.add("a", picture(), label)
    assert "nothing is drawn in slice 1 of phase 0, between drawn ones: taken for background" in notes(pairs)


@pytest.mark.parametrize(("n_drawn", "told"), [(1, True), (2, True), (3, False), (6, False)])
def test_a_stack_of_which_less_than_half_is_drawn_is_told(pairs: Pairs, n_drawn: int, told: bool) -> None:
    label = np.zeros((24, 20, 6), np.uint8)
    label[:, :, :n_drawn] = heart()[:, :, 1:2]
    pairs.add("a", picture((24, 20, 6)), label)
    assert (f"drawn in {n_drawn} of 6 slices of phase 0" in notes(pairs)) is told


def test_slices_that_are_ignored_need_no_drawing(pairs: Pairs) -> None:
    label = heart()
    label[:, :, 1] = 4
    pairs.add("a", picture(), label, scheme="1=LV,2=MYO,3=RV,4=ignore")
    assert "slice" not in notes(pairs)


def test_a_phase_that_is_stated_and_not_there_is_refused(pairs: Pairs) -> None:
    assert "from 0 to 0, got [7]" in the_fault(pairs.add("a", picture(), heart(), drawn_phases="7"))


def test_a_structure_that_a_phase_lacks_is_not_background_there(pairs: Pairs) -> None:
    label = np.stack([heart(), np.where(heart() == 3, 0, heart())], axis=-1)
    pairs.add("a", picture((*SHAPE, 2)), label)
    assert [np.unique(phase).tolist() for phase in laid(pairs)] == [[0, 1, 2, 3], [1, 2, 137]]


@pytest.mark.parametrize("value", [4, 100])
def test_values_beyond_the_scheme_are_refused(pairs: Pairs, value: int) -> None:
    label = heart()
    label[0, 0, 0] = value
    fault = the_fault(pairs.add("a", picture(), label))
    assert f"got [{value}] as well; map or drop them by `scheme`" in fault


def test_an_interpolated_label_is_refused(pairs: Pairs) -> None:
    assert "got [0.5" in the_fault(pairs.add("a", picture(), (heart() / 2).astype(np.float32)))


def test_extra_structures_are_dropped_or_ignored_by_declaration(pairs: Pairs) -> None:
    label = heart()
    label[20, 18], label[21, 18] = 4, 5
    pairs.add("a", picture(), label, scheme="1=LV,2=MYO,3=RV,4=drop,5=ignore")
    found = laid(pairs)[0]
    assert ((found[20, 18] == 0).all(), (found[21, 18] == 255).all()) == (True, True)


@pytest.mark.parametrize(("value", "what"), [(0, "background"), (255, "unlabelled")])
def test_an_empty_label_is_refused(pairs: Pairs, value: int, what: str) -> None:
    assert f"this one is {what} throughout" in the_fault(pairs.add("a", picture(), np.full_like(heart(), value)))


@pytest.mark.parametrize("scheme", ["acdc", "1=MYO,2=LV,3=RV"])
def test_another_data_set_s_scheme_is_noticed(pairs: Pairs, scheme: str) -> None:
    assert "is `scheme` right?" in the_fault(pairs.add("a", picture(), heart(), scheme=scheme))


def test_a_structure_that_a_data_set_never_draws_is_left_open(pairs: Pairs) -> None:
    label = np.where(heart() == 3, 0, heart()).astype(np.uint8)
    pairs.add("a", picture(), label).add("b", picture(), label)
    assert [case["drawn_structures"] for case in checked_datalist(pairs.write())] == [["LV", "MYO"]] * 2
    assert "RV not drawn: left out, not background" in notes(pairs)
    found = laid(pairs)[0]
    assert sorted(np.unique(found)) == [1, 2, 137]


def test_a_structure_that_a_whole_stack_lacks_was_not_drawn_in_it(pairs: Pairs) -> None:
    label = np.where(heart() == 3, 0, heart()).astype(np.uint8)
    pairs.add("a", picture(), label).add("b", picture(), heart())
    assert "RV not drawn: left out" in notes(pairs)
    assert sorted(np.unique(laid(pairs))) == [1, 2, 137]
    pairs.rows[0]["drawn_structures"] = "LV MYO RV"
    assert "RV nowhere in it: taken for absent" in notes(pairs)
    assert sorted(np.unique(laid(pairs))) == [0, 1, 2]


def test_a_structure_that_a_slice_or_two_lack_may_be_absent(pairs: Pairs) -> None:
    label = np.where(heart() == 3, 0, heart()).astype(np.uint8)
    label[..., 2:] = 0
    pairs.add("a", picture(), label).add("b", picture(), heart())
    assert "RV nowhere in it: taken for absent" in notes(pairs)
    assert sorted(np.unique(laid(pairs))) == [0, 1, 2]
    pairs.rows[0]["drawn_structures"] = "LV MYO"
    assert sorted(np.unique(laid(pairs))) == [1, 2, 137]


def test_a_scheme_without_a_structure_leaves_it_open(pairs: Pairs) -> None:
    cavity = (heart() == 1).astype(np.uint8)
    pairs.add("a", picture(), cavity, scheme="lv_cavity").add("b", picture(), heart())
    assert checked_datalist(pairs.write())[0]["drawn_structures"] == ["LV"]
    assert sorted(np.unique(laid(pairs))) == [1, 141]


def test_what_is_said_to_be_undrawn_and_is_there_is_refused(pairs: Pairs) -> None:
    assert "leaves out RV" in the_fault(pairs.add("a", picture(), heart(), drawn_structures="LV MYO"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_with_many_voxels_that_are_no_numbers_is_refused(pairs: Pairs, value: float) -> None:
    image = picture().astype(np.float32)
    image[4:20] = value
    assert "image" in the_fault(pairs.add("a", image, heart()))


def test_an_image_of_one_intensity_is_refused(pairs: Pairs) -> None:
    assert "more than one intensity, got 7" in the_fault(pairs.add("a", np.full(SHAPE, 7, np.float32), heart()))


def test_missing_and_broken_files_are_refused(pairs: Pairs) -> None:
    for name in "abcd":
        pairs.add(name, picture(), heart())
    (pairs.folder / "a.nii.gz").unlink()
    (pairs.folder / "b_gt.nii.gz").unlink()
    whole = (pairs.folder / "c.nii.gz").read_bytes()
    (pairs.folder / "c.nii.gz").write_bytes(whole[: len(whole) // 2])
    (pairs.folder / "d_gt.nii.gz").write_bytes(b"no image")
    found = faults_of(checked(pairs))
    assert [line.split(":")[:2] for line in found] == [
        ["a", " image"],
        ["b", " label"],
        ["c", " image"],
        ["d", " label"],
    ]
    assert "truncated or corrupt" in found[2]


def test_one_label_beside_two_images_is_refused(pairs: Pairs) -> None:
    pairs.add("a", picture(), heart()).add("b", picture(), heart())
    pairs.rows[1]["label"] = "a_gt.nii.gz"
    assert [("several images" in line) for line in faults_of(checked(pairs))] == [True, True]


def test_an_image_that_is_its_own_label_is_refused(pairs: Pairs) -> None:
    pairs.add("a", picture(), heart())
    pairs.rows[0]["image"] = "a_gt.nii.gz"
    assert "must be two files" in the_fault(pairs)


def test_all_faults_of_a_case_and_of_all_cases_are_told_at_once(pairs: Pairs) -> None:
    label = heart()
    label[0, 0, 0] = 9
    elsewhere = AFFINE.copy()
    elsewhere[0, 3] += 500
    for name in "abcdefg":
        pairs.add(name, picture(), label, label_affine=elsewhere)
    assert len(faults_of(checked(pairs))) == 14
    with pytest.raises(DatasetError, match=r"7 of 7 cases cannot be used[\s\S]*and 4 more") as raised:
        checked_datalist(pairs.folder)
    assert str(raised.value).count("\n") == 12


def test_what_a_file_manager_leaves_is_passed_over(tmp_path: Path) -> None:
    for name in ("p1_ED", "p2_ED"):
        save(tmp_path / "imagesTr" / f"{name}_0000.nii.gz", picture())
        save(tmp_path / "labelsTr" / f"{name}.nii.gz", heart())
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder / "._p1_ED.nii.gz").write_bytes(b"of a file manager")
    (tmp_path / "imagesTr" / "._p1_ED_0001.nii.gz").write_bytes(b"likewise")
    labels = '{"background": 0, "LV": 1, "MYO": 2, "RV": 3, "ignore": 4}'
    (tmp_path / "dataset.json").write_text(f'{{"labels": {labels}, "file_ending": ".nii.gz"}}')
    assert [case["patient"] for case in checked_datalist(tmp_path)] == ["p1", "p2"]


def test_nnunet_s_ignore_label_is_unlabelled(tmp_path: Path) -> None:
    label = heart()
    label[:2] = 4
    save(tmp_path / "imagesTr" / "p1_ED_0000.nii.gz", picture())
    save(tmp_path / "labelsTr" / "p1_ED.nii.gz", label)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "LV": 1, "MYO": 2, "RV": 3, "ignore": 4}}')
    (case,) = checked_datalist(tmp_path)
    image = read_nifti(case["image"])
    found = read_case_label(case, grid=image.grid, n_phases=1).array[0]
    assert ((found[:2] == 255).all(), sorted(np.unique(found[2:]))) == (True, [0, 1, 2, 3])


def test_a_label_is_of_any_format_with_one_image_a_file(pairs: Pairs) -> None:
    pairs.add("a", picture(), heart())
    pairs.rows[0]["label"] = "a_gt.nrrd"
    spacing, offset = AFFINE.diagonal()[:3] * [-1, -1, 1], AFFINE[:3, 3] * [-1, -1, 1]  # NRRD's space is LPS here
    drawn = sitk.GetImageFromArray(heart().T)
    drawn.SetSpacing(spacing.tolist())
    drawn.SetOrigin(offset.tolist())
    sitk.WriteImage(drawn, pairs.folder / "a_gt.nrrd")
    (pairs.folder / "a_gt.nii.gz").unlink()
    assert not notes(pairs)
    np.testing.assert_array_equal(laid(pairs)[0], heart())


def test_what_has_passed_is_read_again_only_when_it_has_changed(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pairs.add("a", picture(), heart()).add("b", picture(), heart()).write()
    read: list[str] = []
    look = gate.check_case
    monkeypatch.setattr(gate, "check_case", lambda case, **how: read.append(case["patient"]) or look(case, **how))
    first = checked_datalist(source)
    first[0]["patient"] = "changed by whoever was given it"
    assert [case["patient"] for case in checked_datalist(source)] == ["a", "b"]
    assert sorted(read) == ["a", "b"]
    save(pairs.folder / "b_gt.nii.gz", np.zeros_like(heart()))
    for _ in range(2):  # what was refused is looked at anew
        with pytest.raises(DatasetError, match="1 of 2 cases cannot be used"):
            checked_datalist(source)
    assert sorted(read) == ["a", "a", "a", "b", "b", "b"]


def test_unlabelled_studies_are_refused_together(tmp_path: Path) -> None:
    good, blank = save(tmp_path / "a.nii.gz", picture()), save(tmp_path / "b.nii.gz", np.zeros(SHAPE, np.int16))
    require_images({"a": [str(good)]}, source=tmp_path)
    with pytest.raises(DatasetError, match=r"2 of 3 studies cannot be used:\n  b: .*one intensity.*\n  c: .*none"):
        require_images({"a": [str(good)], "b": [str(blank)], "c": [str(tmp_path / "c.nii")]}, source=tmp_path)


def test_acdc_passes(cmr_data: Path, tmp_path: Path) -> None:
    for patient in ("patient001", "patient090"):
        shutil.copytree(cmr_data / "acdc" / patient, tmp_path / patient)
    cases = check_cases(load_datalist(tmp_path), images=True)
    assert [one.faults for one in cases] == [()] * 4
    assert all(one.structures == {1, 2, 3} for one in cases)
    assert all("affine rescaled" in finding.text for one in cases for finding in one.notes)


def test_a_refusal_names_ten_faults_and_counts_the_rest(tmp_path: Path) -> None:
    gone = {f"s{n:02d}": [str(tmp_path / f"s{n:02d}.nii")] for n in range(12)}
    told = "a NIfTI file was expected here, but there is none"
    with pytest.raises(DatasetError) as caught:
        require_images(dict(list(gone.items())[:10]), source=tmp_path)
    lines = [f"  {name}: {told} [{files[0]}]" for name, files in gone.items()]
    assert str(caught.value).splitlines() == ["10 of 10 studies cannot be used:", *lines[:10], f"  [{tmp_path}]"]
    with pytest.raises(DatasetError) as caught:
        require_images(gone, source=tmp_path)
    assert str(caught.value).splitlines()[10:] == [lines[9], "  and 2 more", f"  [{tmp_path}]"]


def test_faults_of_a_data_set_are_lines_with_their_files(pairs: Pairs) -> None:
    pairs.add("a", picture(), np.zeros_like(heart())).add("b", picture(), heart(), phase="ED")
    (pairs.folder / "b.nii.gz").unlink()
    with pytest.raises(DatasetError) as caught:
        checked_datalist(pairs.write())
    image, label = pairs.folder / "b.nii.gz", pairs.folder / "a_gt.nii.gz"
    assert str(caught.value).splitlines() == [
        "2 of 2 cases cannot be used, `cmr check` tells all:",
        f"  a: label: a label needs something drawn in it, this one is background throughout [{label}]",
        f"  b ED: image: a NIfTI file was expected here, but there is none [{image}]",
        f"  [{pairs.folder}]",
    ]


def test_a_label_of_two_images_is_a_fault_behind_others_and_one_of_one_is_none(pairs: Pairs) -> None:
    pairs.add("a", picture(), np.zeros_like(heart())).add("b", picture(), heart()).add("c", picture(), heart())
    pairs.rows[1]["label"] = "a_gt.nii.gz"
    pairs.rows.append(pairs.rows[2] | {"phase": "ED"})  # the same pair twice
    a, b, c, again = checked(pairs)
    told = "one label file stands beside several images"
    assert [finding.text for finding in a.faults][-1] == told
    assert (a.findings[-1].about, b.findings[-1].text) == ("pair", told)
    assert (c.findings, again.findings) == ((), ())


def test_what_nobody_drew_is_told_by_name(pairs: Pairs) -> None:
    pairs.add("a", picture(), np.where(np.isin(heart(), (1, 3)), 1, 0).astype(np.uint8))
    (one,) = checked(pairs)
    assert [finding.text for finding in one.notes] == ["MYO and RV not drawn: left out, not background"]
    assert one.case["drawn_structures"] == ["LV"]
    pairs.rows[0]["drawn_structures"] = "LV RV"
    (one,) = checked(pairs)
    assert [(finding.about, finding.text) for finding in one.notes] == [
        ("label", "RV nowhere in it: taken for absent, not for undrawn"),
        ("label", "MYO not drawn: left out, not background"),
    ]
    assert one.case["drawn_structures"] == ["LV", "RV"]


@pytest.mark.parametrize(("n_drawn", "drawn"), [(2, None), (3, ["LV", "MYO"])])
def test_three_drawn_slices_are_a_whole_heart(pairs: Pairs, n_drawn: int, drawn: list[str] | None) -> None:
    label = np.where(heart() == 3, 0, heart()).astype(np.uint8)
    label[..., n_drawn:] = 0
    one, _ = checked(pairs.add("a", picture(), label).add("b", picture(), heart()))
    assert one.case.get("drawn_structures") == drawn


def test_a_case_that_says_what_was_drawn_says_nothing_of_others(pairs: Pairs) -> None:
    """What the usual case has is asked of those that leave it open alone."""
    single = np.where(heart() == 3, 0, heart()).astype(np.uint8)
    single[..., 1:] = 0
    pairs.add("a", picture(), single).add("b", picture(), heart(), drawn_structures="LV MYO RV")
    assert checked(pairs)[0].case["drawn_structures"] == ["LV", "MYO"]


def test_a_case_of_a_pack_stays_as_it_is(tmp_path: Path) -> None:
    packed = [
        {"image": "a.pack", "label": "a.pack", "patient": "p", "phase": "ED", "scheme": "cmr", "pack_index": index}
        for index in range(2)
    ]
    assert check_cases(packed) == [CheckedCase(case) for case in packed]


@pytest.mark.parametrize("changed", ["image", "label"])
def test_a_file_of_an_archive_or_folder_counts_as_well(tmp_path: Path, changed: str) -> None:
    """What was let through is looked at anew when the archive or any file of the folder is another."""
    save(tmp_path / "folder" / "i.nii.gz", picture())
    save(tmp_path / "l.nii.gz", heart())
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as file:
        file.write(tmp_path / "l.nii.gz", "l.nii.gz")
    case = {"image": str(tmp_path / "folder"), "label": str(tmp_path / "l.zip" / "l.nii.gz")}
    before = gate._state([case])
    assert gate._state([case]) == before
    touched = tmp_path / ("folder/i.nii.gz" if changed == "image" else "l.zip")
    os.utime(touched, (1, 1))
    assert gate._state([case]) != before


def test_an_image_of_two_files_counts_with_both(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(picture(), AFFINE), tmp_path / "a.img")
    stamps = gate._stamps(str(tmp_path / "a.img"))
    files = [tmp_path / "a.hdr", tmp_path / "a.img"]
    states = [file.stat() for file in files]
    assert stamps == [
        (str(file), state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        for file, state in zip(files, states, strict=True)
    ]
    assert gate._stamps(str(tmp_path / "gone.nii")) == []
