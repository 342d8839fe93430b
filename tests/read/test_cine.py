"""One door for all formats."""

from __future__ import annotations

import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.core.errors import ConfigError, LabelError, LatticeError, UnreadableError
from pipeline.read.cine import SeriesOptions, read_cine, read_label, require_stack


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    array = np.array([0, 1, 2, 3, 255, 0], np.uint8).reshape(3, 2, 1)
    nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 8.0, 1.0])), tmp_path / "a.nii.gz")
    return tmp_path / "a.nii.gz"


def test_nifti_by_any_spelling(stored: Path) -> None:
    arrays = [read_cine(source).array for source in (stored, str(stored), [stored], (str(stored),))]
    assert all(array.shape == (1, 3, 2, 1) for array in arrays)


def test_labels_are_translated_on_the_same_grid(stored: Path) -> None:
    label = read_label(stored, scheme="acdc")
    assert label.array.ravel().tolist() == [0, 3, 2, 1, 255, 0]
    assert label.array.dtype == np.uint8
    assert label.grid.matches(read_cine(stored).grid)
    with pytest.raises(LabelError, match="3"):
        read_label(stored, scheme={0: 0, 1: 1, 2: 2})
    with pytest.raises(ConfigError, match="scheme"):
        read_label(stored, scheme="none")


def test_refusals(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(UnreadableError, match="at least one file"):
        read_cine([])
    with pytest.raises(UnreadableError, match="one NIfTI file, got 2"):
        read_cine([stored, stored])
    with pytest.raises(UnreadableError, match="there is none"):
        read_cine(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableError):
        read_cine(tmp_path / "empty")


def test_dicom_folder_and_list_agree(cmr_data: Path) -> None:
    folder = cmr_data / "sunnybrook" / "dicom" / "SCD0000101"
    whole = read_cine(folder)
    listed = read_cine(
        sorted(folder.glob("*.dcm"), reverse=True), options=SeriesOptions(series_uid=whole.facts.series_uid)
    )
    assert whole.array.shape == (20, 256, 256, 12)
    np.testing.assert_array_equal(whole.array, listed.array)


def test_few_missing_voxels_are_filled_and_many_refused_in_every_format(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(100, 10, (20, 20, 3)).astype(np.float32)
    array[10, 10, 1] = np.nan
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(array.T.copy()), str(tmp_path / "a.mha"))
    for name in ("a.nii.gz", "a.mha"):
        cine = read_cine(tmp_path / name)
        assert np.isfinite(cine.array).all()
        assert any("1 voxel was NaN or infinite" in note for note in cine.notes)
    nib.save(nib.Nifti1Image(np.full((4, 4, 3), np.nan, np.float32), np.eye(4)), tmp_path / "b.nii")
    with pytest.raises(UnreadableError, match=r"100\.0% NaN or infinite in slice 0.*\[.*b\.nii\]"):
        read_cine(tmp_path / "b.nii")


def test_nothing_is_made_up_in_a_label_map(tmp_path: Path) -> None:
    array = np.zeros((20, 20, 3), np.float32)
    array[10, 10, 1] = np.nan
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(LabelError):
        read_label(tmp_path / "a.nii.gz", scheme="cmr")


def test_a_folder_or_archive_with_one_image_file_is_that_image(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    stored.rename(folder / "a.nii.gz")
    (tmp_path / "in" / "readme.txt").write_text("not an image")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as file:
        file.write(folder / "a.nii.gz", "deep/a.nii.gz")
    for source in (tmp_path / "in", tmp_path / "in.zip", tmp_path / "in.zip" / "deep" / "a.nii.gz"):
        assert read_cine(source).array.shape == (1, 3, 2, 1)
    (folder / "b.nii").write_bytes(b"")
    with pytest.raises(UnreadableError, match="one NIfTI file, got 2"):
        read_cine(tmp_path / "in")


def test_dicom_is_read_beside_files_of_other_formats(tmp_path: Path, study, stored: Path) -> None:
    study.cine(2, 3)
    stored.rename(study.folder / "labels.nii.gz")
    assert read_cine(study.folder).array.shape[0] == 2


def test_other_formats_are_refused_with_those_that_are_read(tmp_path: Path) -> None:
    for name in ("a.mgz", "a.img", "a.png"):
        (tmp_path / name).write_bytes(b"anything" * 100)
        with pytest.raises(UnreadableError, match=rf"DICOM; NIfTI.*\[.*{name}\]"):
            read_cine(tmp_path / name)


def test_fewer_than_3_slices_are_read_and_are_no_stack(tmp_path: Path, study) -> None:
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 1, 25), np.int16), np.diag([1.5, 1.5, 8.0, 1.0])), tmp_path / "la_2ch.nii")
    cine = read_cine(tmp_path / "la_2ch.nii")
    assert cine.array.shape == (25, 4, 4, 1)
    with pytest.raises(LatticeError, match=r"at least 3 slices, got 1, as a long-axis view.*\[la_2ch\.nii\]"):
        require_stack(cine, path="la_2ch.nii")
    study.cine(2, 2)
    require_stack(
        read_cine(study.folder, options=SeriesOptions(series_uid="1.2.3.1")), path=""
    )  # named by whoever asks for it


def volume(path: Path, *, value: int = 0, shape: tuple[int, ...] = (6, 5, 3), affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(value).integers(100, 900, shape).astype(np.int16)
    nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 8.0, 1.0]) if affine is None else affine), path)
    return path


def zipped(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for member in sorted(folder.iterdir()):
            file.write(member, member.name)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_what_the_user_decides_reaches_the_reader_of_dicom(tmp_path: Path, study, packed: bool) -> None:
    """Two stacks that headers do not tell apart: a series that is named, or a look at the pictures."""
    study.cine(4, 3, EchoTime=1.0)
    aside = {"ImagePositionPatient": lambda z: study.position(z + 0.5), "SeriesInstanceUID": "1.2.3.2"}
    study.cine(4, 3, EchoTime=4.0, pixels=lambda t, z: np.full((5, 4), 7000 + t + 10 * z, np.int16), **aside)
    source = zipped(tmp_path / "study.zip", study.folder) if packed else study.folder
    with pytest.raises(LatticeError, match="2 that fit alike"):
        read_cine(source)
    named = read_cine(source, options=SeriesOptions(series_uid="1.2.3.2"))
    looked = read_cine(source, look=lambda cine: 10.0 if cine.array.max() > 7000 else 5.0)
    for cine in (named, looked):
        assert cine.array[:, 0, 0, 0].tolist() == [7000, 7001, 7002, 7003]


@pytest.mark.parametrize(("n_slices", "refused"), [(1, True), (2, True), (3, False)])
def test_three_slices_are_a_stack(tmp_path: Path, n_slices: int, refused: bool) -> None:
    cine = read_cine(volume(tmp_path / "a.nii", shape=(6, 5, n_slices)))
    if not refused:
        require_stack(cine, path="a.nii")
        return
    with pytest.raises(LatticeError) as caught:
        require_stack(cine, path="a.nii")
    assert str(caught.value) == (
        f"a short-axis stack must have at least 3 slices, got {n_slices}, as a long-axis view has; to label it all the "
        "same, give `Segmenter.segment` in Python what `read_cine` reads [a.nii]"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gone", "an image file or folder was expected here, but there is none"),
        (
            "a.png",
            "an image must be of a format that is read (DICOM; NIfTI (.nii, .nii.gz, .img with .hdr); MetaImage (.mha, "
            ".mhd); NRRD (.nrrd, .nhdr); zip and tar archives of these), this file is not",
        ),
        ("two", "an image must be one NIfTI file, got 2 files"),
        ("mixed", "an image must be one MetaImage or NRRD file, got 2 files"),
    ],
)
def test_what_is_no_image_is_refused_in_full(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "a.png").write_bytes(b"of another kind")
    for file in ("a.nii", "b.nii"):
        volume(tmp_path / "two" / file, value=ord(file[0]))
    volume(tmp_path / "mixed" / "b.nii")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((3, 4, 4), np.int16)), str(tmp_path / "mixed" / "a.mha"))
    with pytest.raises(UnreadableError) as caught:
        read_cine(tmp_path / name)
    assert str(caught.value) == f"{told} [{tmp_path / name}]"


def test_no_file_at_all_is_refused() -> None:
    with pytest.raises(UnreadableError) as caught:
        read_cine(())
    assert str(caught.value) == "an image needs at least one file, got none"


def test_a_file_beside_its_image_is_one_too_many(tmp_path: Path) -> None:
    image, other = volume(tmp_path / "a.nii"), tmp_path / "b.txt"
    other.write_text("not an image")
    with pytest.raises(UnreadableError, match=rf"one NIfTI file, got 2 files \[{image}\]"):
        read_cine([image, other])


def test_the_files_of_a_pair_are_one_image(tmp_path: Path) -> None:
    array = np.arange(90, dtype=np.int16).reshape(6, 5, 3)
    (tmp_path / "in").mkdir()
    nib.save(nib.Nifti1Pair(array, np.diag([1.5, 1.5, 8.0, 1.0])), tmp_path / "in" / "a.img")
    for source in ([tmp_path / "in" / "a.hdr", tmp_path / "in" / "a.img"], tmp_path / "in"):
        np.testing.assert_array_equal(read_cine(source).array[0], array)


def test_notes_of_the_reader_then_of_voxels_then_of_doubts(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(100, 10, (20, 20, 3, 2)).astype(np.float32)
    array[10, 10, 1, 0] = np.nan
    nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 80.0, 1.0])), tmp_path / "a.nii")
    about_times, about_voxels, about_slices = read_cine(tmp_path / "a.nii").notes
    assert about_times.startswith("times of the phases are unknown")
    assert about_voxels.startswith("1 voxel was NaN or infinite")
    assert about_slices == "slices 80 mm apart are none of a cine (2 to 25 mm): volumes may be wrong"


def test_a_folder_of_frames_is_one_cine_whatever_masks_lie_beside_them(tmp_path: Path) -> None:
    for value, phase in enumerate(("ED", "ES")):
        volume(tmp_path / f"p_{phase}.nii", value=value)
        nib.save(nib.Nifti1Image(np.ones((6, 5, 3), np.uint8), np.eye(4)), tmp_path / f"p_{phase}_gt.nii")
    assert read_cine(tmp_path).n_phases == 2
    volume(tmp_path / "q_ED.nii", value=5)
    with pytest.raises(UnreadableError, match="must be one NIfTI file, got 5"):
        read_cine(tmp_path)


def test_of_frames_beside_their_whole_cine_the_cine_is_read(tmp_path: Path) -> None:
    volume(tmp_path / "p_ED.nii", value=1)
    volume(tmp_path / "p_4d.nii", value=2, shape=(6, 5, 3, 4))
    assert read_cine(tmp_path).n_phases == 4
    volume(tmp_path / "other.nii", value=3)
    with pytest.raises(UnreadableError, match="must be one NIfTI file, got 3"):
        read_cine(tmp_path)


def test_a_damaged_dicom_file_beside_an_image_is_told(tmp_path: Path, study) -> None:
    """The images of other formats are not taken in its place."""
    study.image(0, 0)
    (damaged,) = study.written
    damaged.write_bytes(damaged.read_bytes()[:200])
    volume(study.folder / "a.nii")
    with pytest.raises(UnreadableError, match=rf"\[{damaged}\]"):
        read_cine(study.folder)


def test_phases_that_nobody_drew_are_unlabelled(tmp_path: Path) -> None:
    label = np.ones((3, 2, 1, 3), np.uint8)
    nib.save(nib.Nifti1Image(label, np.diag([1.5, 1.5, 8.0, 1.0])), tmp_path / "l.nii")
    read = read_label(tmp_path / "l.nii", scheme="acdc", drawn_phases=[1])
    assert [np.unique(phase).tolist() for phase in read.array] == [[255], [3], [255]]
