"""Label maps: what is written is what is read, on the input's own grid."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pipeline.core.errors import ConfigError, GridError, LabelError
from pipeline.read.nifti import read_nifti
from pipeline.write.nifti import write_label_map

AXIS = np.array([2.0, -1.0, 2.0]) / 3.0


def oblique(spacing=(1.25, 1.4, 9.6), angle=0.7) -> np.ndarray:
    """Rodrigues' rotation about a slanted axis, with spacing and an origin."""
    cross = np.array([[0, -AXIS[2], AXIS[1]], [AXIS[2], 0, -AXIS[0]], [-AXIS[1], AXIS[0], 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = (-123.4, 56.7, 8.9)
    return affine


def sheared() -> np.ndarray:
    affine = oblique()
    affine[:3, 2] += 0.3 * affine[:3, 0]
    return affine


def labels(n_phases: int) -> np.ndarray:
    values = np.array([0, 1, 2, 3, 255], dtype=np.uint8)
    return np.random.default_rng(0).choice(values, (n_phases, 6, 5, 4))


@pytest.mark.parametrize(
    "affine", [np.diag([-1.5, -1.5, 8, 1.0]), oblique(), oblique() @ np.diag([1, -1, 1, 1.0]), sheared()]
)
@pytest.mark.parametrize("n_phases", [1, 3])
@pytest.mark.parametrize("name", ["s.nii", "s.nii.gz"])
def test_write_then_read_is_identity(tmp_path: Path, affine: np.ndarray, n_phases: int, name: str) -> None:
    written = labels(n_phases)
    cine = read_nifti(write_label_map(tmp_path / "new" / name, written, affine=affine))
    np.testing.assert_array_equal(cine.array, written)
    assert cine.array.dtype == np.uint8
    np.testing.assert_allclose(cine.grid.affine, affine, atol=2e-5)
    assert not [note for note in cine.notes if "times" not in note]
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


def test_both_forms_are_set_in_mm(tmp_path: Path) -> None:
    header = nib.load(write_label_map(tmp_path / "s.nii", labels(1), affine=oblique())).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    np.testing.assert_allclose(header.get_qform(), header.get_sform(), atol=2e-5)
    np.testing.assert_allclose(header.get_zooms(), (1.25, 1.4, 9.6), rtol=1e-6)
    assert header.get_xyzt_units()[0] == "mm"


def test_shear_is_left_to_the_sform(tmp_path: Path) -> None:
    header = nib.load(write_label_map(tmp_path / "s.nii", labels(1), affine=sheared())).header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 0)
    np.testing.assert_allclose(header.get_zooms(), np.linalg.norm(sheared()[:3, :3], axis=0), rtol=1e-6)


def test_times_are_kept(tmp_path: Path) -> None:
    path = write_label_map(tmp_path / "s.nii", labels(3), affine=oblique(), times_ms=(19.0, 52.5, 86.0))
    assert nib.load(path).header.get_xyzt_units() == ("mm", "msec")
    assert read_nifti(path).times_ms == (19.0, 52.5, 86.0)


def test_axes_follow_the_input(tmp_path: Path) -> None:
    def shape(n_phases: int, n_axes: int | None) -> tuple[int, ...]:
        path = write_label_map(tmp_path / "s.nii", labels(n_phases), affine=oblique(), n_axes=n_axes)
        return nib.load(path).shape

    assert shape(1, None) == (6, 5, 4)
    assert shape(1, 3) == (6, 5, 4)
    assert shape(1, 4) == (6, 5, 4, 1)
    assert shape(3, None) == (6, 5, 4, 3)


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "s.nii"
    with pytest.raises(GridError, match="n_axes"):
        write_label_map(path, labels(3), affine=oblique(), n_axes=3)
    with pytest.raises(GridError, match="times_ms"):
        write_label_map(path, labels(3), affine=oblique(), times_ms=(0.0,))
    with pytest.raises(GridError, match="T, X, Y, Z"):
        write_label_map(path, labels(3)[0], affine=oblique())
    with pytest.raises(GridError, match="affine"):
        write_label_map(path, labels(1), affine=np.zeros((4, 4)))
    with pytest.raises(LabelError, match="uint8"):
        write_label_map(path, labels(1).astype(float), affine=oblique())
    with pytest.raises(ConfigError, match="nii"):
        write_label_map(tmp_path / "s.mha", labels(1), affine=oblique())
    assert not path.exists()


def test_acdc_output_states_the_true_spacing(tmp_path: Path, cmr_data: Path) -> None:
    image = read_nifti(cmr_data / "acdc" / "patient001" / "patient001_frame01.nii.gz")
    path = write_label_map(tmp_path / "s.nii.gz", np.zeros(image.array.shape, np.uint8), affine=image.grid.affine)
    again = read_nifti(path)
    assert again.grid.matches(image.grid, tolerance_mm=1e-3)
    assert again.notes == ()


@pytest.mark.parametrize("name", ["s.nii", "s.nii.gz"])
def test_the_same_labels_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    written = []
    for second in (1_000_000_000.0, 1_700_000_000.0):
        monkeypatch.setattr("time.time", lambda now=second: now)
        written.append(
            write_label_map(tmp_path / f"{second:.0f}" / name, labels(2), affine=oblique(), times_ms=[0.0, 40.0])
        )
    assert written[0].read_bytes() == written[1].read_bytes()
