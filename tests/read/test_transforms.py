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
from pipeline.core.geometry import Grid
from pipeline.core.images import Cine, SourceFrame, StudyFacts
from pipeline.read.transforms import CineLoadImaged, CineReader, LoadLabeld, MapLabelsd

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


def test_all_that_an_image_s_metadata_tell() -> None:
    facts = StudyFacts(heart_rate_bpm=60.0, height_m=1.8, sex="F", ed_phase=0, es_phase=1)
    sources = tuple(tuple(SourceFrame(f"/in/{name}", f"1.2.{name}") for name in row) for row in ("ba", "bc"))
    grid = Grid((4, 3, 2), AFFINE, spans_mm=(6.0, 7.0))
    cine = Cine(
        np.zeros((2, 4, 3, 2), np.int16),
        grid,
        times_ms=(0.0, 400.0),
        sources=sources,
        facts=facts,
        notes=("one", "two"),
        stored_axes=3,
        slice_axis=1,
    )
    array, meta = CineReader().get_data(cine)
    assert array is cine.array
    plain = {key: value for key, value in meta.items() if isinstance(value, str | int | float) and value == value}
    assert plain == {
        "original_channel_dim": 0,
        "space": "RAS",
        "n_axes": 3,
        "slice_axis": 1,
        "notes": "one\ntwo",
        "source_files": "/in/a\n/in/b\n/in/c",
        "sex": "F",
        "heart_rate_bpm": 60.0,
        "height_m": 1.8,
        "ed_phase": 0.0,
        "es_phase": 1.0,
    }
    assert {key for key, value in meta.items() if isinstance(value, float) and np.isnan(value)} == {
        "weight_kg",
        "age_years",
    }
    lists = {key: meta[key].tolist() for key in ("times_ms", "spans_mm", "spatial_shape", "affine", "original_affine")}
    assert lists == {
        "times_ms": [0.0, 400.0],
        "spans_mm": [6.0, 7.0],
        "spatial_shape": [4, 3, 2],
        "affine": AFFINE.tolist(),
        "original_affine": AFFINE.tolist(),
    }
    assert meta["times_ms"].dtype == meta["spans_mm"].dtype == torch.float64
    meta["affine"][0, 0] = 9.0
    assert meta["original_affine"][0, 0] == AFFINE[0, 0]  # a copy


def test_what_is_unknown_is_empty() -> None:
    _, meta = CineReader().get_data(Cine(np.zeros((1, 4, 3, 2)), Grid((4, 3, 2), AFFINE)))
    assert (meta["sex"], meta["notes"], meta["source_files"]) == ("", "", "")
    assert (meta["times_ms"].numel(), meta["spans_mm"].numel()) == (0, 0)


def test_a_cine_that_is_read_already_is_taken_as_it_is() -> None:
    cine = Cine(np.arange(24, dtype=np.int16).reshape(1, 4, 3, 2), Grid((4, 3, 2), AFFINE))
    found = CineLoadImaged("image")({"image": cine, "patient": "p"})
    assert (found["patient"], found["image"].dtype, tuple(found["image"].shape)) == ("p", torch.float32, (1, 4, 3, 2))
    np.testing.assert_array_equal(found["image"].as_tensor(), cine.array)


def test_a_series_that_is_named_is_read(study) -> None:
    study.cine(4, 3)
    study.cine(4, 4, SeriesInstanceUID="1.2.3.2")
    for uid, n_slices in (("1.2.3.1", 3), ("1.2.3.2", 4)):
        image = CineLoadImaged("image", series_uid=uid)({"image": str(study.folder)})["image"]
        assert tuple(image.shape) == (4, 4, 5, n_slices)
    assert CineReader("1.2.3.1").read([study.folder]).n_slices == 3
    assert CineReader("1.2.3.1").read(study.written).n_slices == 3
    assert CineReader().verify_suffix("anything")


def test_all_that_an_item_says_of_its_label_is_minded(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.ones((4, 3, 2, 2), np.int16), AFFINE), tmp_path / "i.nii")
    nib.save(nib.Nifti1Image(np.full((4, 3, 2), 3, np.uint8), AFFINE), tmp_path / "l.nii")
    chain = Compose([CineLoadImaged("picture"), LoadLabeld("label", image_key="picture")])
    item = {"picture": str(tmp_path / "i.nii"), "label": str(tmp_path / "l.nii"), "drawn_phases": [1]}
    found = chain(item | {"scheme": "acdc", "undrawn_slices": [0]})["label"]
    assert found[:, 0, 0].tolist() == [[255.0, 255.0], [255.0, 1.0]]
    assert chain(item)["label"][:, 0, 0].tolist() == [[255.0, 255.0], [3.0, 3.0]]


def test_refusals_in_full() -> None:
    with pytest.raises(ConfigError) as caught:
        CineLoadImaged("image", "ITKReader")
    told = "`reader` of CineLoadImaged must stay unset: it has its own; use LoadImaged for others"
    assert str(caught.value) == told
    for image in ("i.nii", torch.ones(1, 2, 2, 2)):
        with pytest.raises(ConfigError) as caught:
            LoadLabeld("label", image_key="picture")({"picture": image, "label": "l.nii"})
        assert str(caught.value) == "a label is laid on its image: load `picture` by CineLoadImaged before it"
    with pytest.raises(KeyError):
        LoadLabeld("label")({})
    with pytest.raises(KeyError):
        MapLabelsd("label")({})


def test_labels_in_memory_are_mapped_by_the_scheme_that_is_named() -> None:
    cine = np.array([[1, 0], [3, 0]], np.uint8).reshape(2, 2, 1, 1)
    found = MapLabelsd("label", "of")({"label": cine, "of": "acdc", "drawn_phases": [1]})["label"]
    assert (found.ravel().tolist(), found.dtype) == ([255, 255, 1, 0], np.uint8)
    found = MapLabelsd("label", default="acdc")({"label": torch.from_numpy(cine), "scheme": ""})["label"]
    assert (found.flatten().tolist(), found.dtype) == ([3, 0, 1, 0], torch.uint8)
