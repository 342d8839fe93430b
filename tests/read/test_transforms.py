"""The MONAI wrappers, in the company MONAI puts them in."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, PersistentDataset, decollate_batch
from monai.transforms import Compose, EnsureChannelFirstd, Flipd, Invertd, LoadImaged, Orientationd, Spacingd

from pipeline.core.errors import ConfigError, HeaderError
from pipeline.read.transforms import CineLoadImaged, LoadLabeld, MapLabelsd

AFFINE = np.array([[0.0, -1.4, 0.0, 60.0], [1.4, 0.0, 0.0, -50.0], [0.0, 0.0, 8.0, 3.0], [0, 0, 0, 1]])


def cine_file(path: Path, *, n_phases: int = 3, dtype: type = np.int16) -> str:
    array = np.arange(12 * 10 * 4 * n_phases, dtype=dtype).reshape(12, 10, 4, n_phases)
    image = nib.Nifti1Image(array, AFFINE)
    image.header.set_xyzt_units("mm", "msec")
    image.header["pixdim"][4] = 30.0
    nib.save(image, path)
    return str(path)


@pytest.fixture
def cine(tmp_path: Path) -> str:
    return cine_file(tmp_path / "cine.nii.gz")


def test_image_is_time_first_float32_with_metadata(cine: str) -> None:
    image = CineLoadImaged("image")({"image": cine})["image"]
    assert isinstance(image, MetaTensor)
    assert (tuple(image.shape), image.dtype) == ((3, 12, 10, 4), torch.float32)
    assert image[2, 1, 0, 3] == nib.load(cine).dataobj[1, 0, 3, 2]
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    np.testing.assert_allclose(image.meta["original_affine"], AFFINE, atol=1e-5)
    assert image.meta["filename_or_obj"] == cine
    assert image.meta["original_channel_dim"] == 0
    assert image.meta["spatial_shape"].tolist() == [12, 10, 4]
    assert image.meta["times_ms"].tolist() == [0, 30, 60]
    assert image.meta["n_axes"] == 4
    assert image.meta["space"] == "RAS"
    assert np.isnan(image.meta["height_m"])


def test_the_files_number_of_axes_is_told(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 2), np.uint8), AFFINE), tmp_path / "a.nii")
    one_phase = cine_file(tmp_path / "b.nii", n_phases=1)
    load = CineLoadImaged("image")
    assert load({"image": str(tmp_path / "a.nii")})["image"].meta["n_axes"] == 3
    assert load({"image": one_phase})["image"].meta["n_axes"] == 4
    assert load({"image": one_phase})["image"].shape == (1, 12, 10, 4)


def test_it_is_a_load_imaged_with_its_options(cine: str) -> None:
    load = CineLoadImaged(keys=["image", "label"], image_only=False, ensure_channel_first=True, allow_missing_keys=True)
    assert isinstance(load, LoadImaged)
    loaded = load({"image": cine})
    assert loaded["image"].shape == (3, 12, 10, 4)
    assert loaded["image_meta_dict"]["filename_or_obj"] == cine
    assert "label" not in loaded
    switched = CineLoadImaged("image")
    switched._loader.image_only = False  # as MONAI Label does
    assert "image_meta_dict" in switched({"image": cine})
    doubled = EnsureChannelFirstd("image")(CineLoadImaged("image")({"image": Path(cine)}))
    assert doubled["image"].shape == (3, 12, 10, 4)


def test_other_readers_are_refused() -> None:
    for options in ({"reader": "PydicomReader"}, {"reader": "NibabelReader", "image_only": True}):
        with pytest.raises(ConfigError, match="reader"):
            CineLoadImaged("image", **options)
    with pytest.raises(ConfigError, match="reader"):
        CineLoadImaged("image", "ITKReader")


def test_errors_are_ours_and_no_other_reader_is_tried(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((4, 4, 2), np.uint8), AFFINE)
    image.header["pixdim"][1:4] = (1.4, 1.4, 10.0)
    nib.save(image, tmp_path / "a.nii")
    stored = bytearray((tmp_path / "a.nii").read_bytes())
    stored[80 + 8 : 80 + 12] = np.float32(12.0).tobytes()  # pixdim[3]
    (tmp_path / "a.nii").write_bytes(stored)
    with pytest.raises(HeaderError, match="one spacing"):
        CineLoadImaged("image")({"image": str(tmp_path / "a.nii")})


def test_batches_and_inversion(cine: str) -> None:
    forward = Compose(
        [
            CineLoadImaged("image"),
            Orientationd("image", axcodes="LPS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
            Spacingd("image", pixdim=(2.0, 2.0, -1), mode="bilinear"),
            Flipd("image", spatial_axis=0),
        ]
    )
    batch = next(iter(DataLoader(Dataset([{"image": cine, "scheme": "cmr"}], forward), batch_size=1)))
    assert batch["image"].shape[:2] == (1, 3)
    batch["pred"] = batch["image"].clone()
    item = decollate_batch(batch)[0]
    back = Invertd("pred", forward, orig_keys="image", nearest_interp=True)(item)["pred"]
    assert back.shape == (3, 12, 10, 4)
    np.testing.assert_allclose(back.affine, AFFINE, atol=1e-4)
    assert item["image"].meta["times_ms"].tolist() == [0, 30, 60]
    assert item["image"].meta["filename_or_obj"] == cine


def test_unlike_items_collate(tmp_path: Path, cine: str) -> None:
    other = cine_file(tmp_path / "other.nii")
    batch = next(iter(DataLoader(Dataset([{"image": cine}, {"image": other}], CineLoadImaged("image")), batch_size=2)))
    assert batch["image"].shape == (2, 3, 12, 10, 4)
    assert batch["image"].meta["filename_or_obj"] == [cine, other]


def test_persistent_cache_keeps_metadata(tmp_path: Path, cine: str) -> None:
    transform = Compose([CineLoadImaged("image"), Spacingd("image", pixdim=(2.0, 2.0, -1))])
    # neither MONAI's record of a resampling nor the array of its readers' spatial_shape loads under weights_only
    options = {"cache_dir": tmp_path / "cache", "track_meta": True, "weights_only": False}
    fresh = PersistentDataset([{"image": cine}], transform, **options)[0]["image"]
    Path(cine).unlink()  # so that only the cache can answer
    cached = PersistentDataset([{"image": cine}], transform, **options)[0]["image"]
    torch.testing.assert_close(cached.as_tensor(), fresh.as_tensor())
    torch.testing.assert_close(cached.affine, fresh.affine)
    assert cached.meta["times_ms"].tolist() == [0, 30, 60]
    assert cached.meta["filename_or_obj"] == cine


def test_labels_are_mapped_by_each_items_scheme(tmp_path: Path) -> None:
    array = np.array([0, 1, 2, 3, 255, 0], np.uint8).reshape(3, 2, 1)
    nib.save(nib.Nifti1Image(array, AFFINE), tmp_path / "l.nii")
    chain = Compose([CineLoadImaged("label"), MapLabelsd("label")])
    named = chain({"label": str(tmp_path / "l.nii"), "scheme": "acdc"})["label"]
    assert isinstance(named, MetaTensor)
    assert named.dtype == torch.uint8
    assert named.flatten().tolist() == [0, 3, 2, 1, 255, 0]
    np.testing.assert_allclose(named.affine, AFFINE, atol=1e-5)
    assert named.meta["filename_or_obj"].endswith("l.nii")
    mapped = chain({"label": str(tmp_path / "l.nii"), "scheme": {0: 0, 1: 2, 2: 1, 3: 3}})["label"]
    assert mapped.flatten().tolist() == [0, 2, 1, 3, 255, 0]
    assert chain({"label": str(tmp_path / "l.nii")})["label"].flatten().tolist() == [0, 1, 2, 3, 255, 0]
    assert MapLabelsd("label", default="acdc")({"label": np.array([1, 3])})["label"].tolist() == [3, 1]
    assert MapLabelsd("label", allow_missing_keys=True)({"image": 1}) == {"image": 1}


def test_dicom_folder(cmr_data: Path) -> None:
    folder = str(cmr_data / "sunnybrook" / "dicom" / "SCD0000101")
    image = CineLoadImaged("image")({"image": folder})["image"]
    assert image.shape == (20, 256, 256, 12)
    assert image.meta["n_axes"] == 4
    assert 70 < image.meta["heart_rate_bpm"] < 90
    np.testing.assert_allclose(np.linalg.norm(image.affine[:3, :3], axis=0), (1.3672, 1.3672, 10.0), atol=1e-3)


def test_labels_are_laid_on_their_image_wherever_it_has_gone_since(tmp_path: Path) -> None:
    label = np.arange(24).reshape(4, 3, 2) % 3
    affine = np.diag([1.5, 1.5, 8.0, 1.0])
    affine[:3, 3] = 5, 6, 7
    reversed_ = affine @ np.diag([-1, 1, 1, 1])
    reversed_[:3, 3] = (affine @ [3, 0, 0, 1])[:3]
    nib.save(nib.Nifti1Image(np.ones((4, 3, 2), np.int16), affine), tmp_path / "i.nii")
    nib.save(nib.Nifti1Image(label[::-1].astype(np.uint8), reversed_), tmp_path / "l.nii")
    chain = Compose([CineLoadImaged("image"), Spacingd("image", pixdim=(0.5, 0.5, -1)), LoadLabeld("label")])
    item = {"image": str(tmp_path / "i.nii"), "label": str(tmp_path / "l.nii"), "drawn_structures": ["LV", "MYO"]}
    found = chain(item)["label"]
    np.testing.assert_array_equal(found[0], np.where(label == 0, 137, label))
    np.testing.assert_allclose(found.affine, affine)
    assert found.meta["filename_or_obj"].endswith("l.nii")
    acdc = chain(item | {"scheme": {0: 0, 1: 3, 2: 2}, "drawn_structures": None})["label"]
    assert acdc.unique().tolist() == [0, 2, 3]


def test_a_label_without_its_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="load `image`"):
        LoadLabeld("label")({"image": "i.nii", "label": "l.nii"})
    assert "label" not in LoadLabeld("label", allow_missing_keys=True)({"image": MetaTensor(torch.ones(1, 2, 2, 2))})
