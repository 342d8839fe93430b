"""Prepared volumes and their slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import Compose, Lambdad, MapTransform

from pipeline.core.errors import DatasetError
from pipeline.train.datasets import PreparedDataset, SliceDataset, content_key


class _Load(MapTransform):
    """Reads .npy files and multiplies them; counts how often."""

    calls = 0

    def __init__(self, keys: tuple[str, ...], factor: float = 1.0) -> None:
        super().__init__(keys)
        self.factor = factor

    def __call__(self, data: dict) -> dict:
        type(self).calls += 1
        return dict(data) | {key: torch.from_numpy(np.load(data[key])) * self.factor for key in self.keys}


def _item(folder: Path, *, unlabelled: bool = False) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    label = np.zeros((2, 6, 5, 3), dtype=np.float32)
    if unlabelled:
        label[1] = 255
    np.save(folder / "image.npy", np.arange(2 * 6 * 5 * 3, dtype=np.float32).reshape(2, 6, 5, 3))
    np.save(folder / "label.npy", label)
    return {"image": str(folder / "image.npy"), "label": str(folder / "label.npy"), "patient": "a"}


def test_slices_of_all_phases_without_the_unlabelled(tmp_path: Path) -> None:
    item = _item(tmp_path, unlabelled=True)
    dataset = SliceDataset([item], Compose([_Load(("image", "label"))]))
    assert len(dataset) == 3
    image, label = dataset[1]["image"], dataset[1]["label"]
    assert image.shape == label.shape == (1, 6, 5)
    assert label.dtype == torch.uint8
    np.testing.assert_array_equal(image[0], np.load(item["image"])[0, :, :, 1])


def test_neighbours_come_as_channels(tmp_path: Path) -> None:
    item = _item(tmp_path)
    dataset = SliceDataset([item], Compose([_Load(("image", "label"))]), context=1)
    image = dataset[5]["image"]  # the last slice of the second phase
    assert image.shape == (3, 6, 5)
    np.testing.assert_array_equal(image.permute(1, 2, 0), np.load(item["image"])[1][:, :, [1, 2, 2]])


def test_nothing_labelled_is_refused(tmp_path: Path) -> None:
    item = _item(tmp_path)
    np.save(item["label"], np.full((2, 6, 5, 3), 255, dtype=np.float32))
    with pytest.raises(DatasetError, match="labelled slices"):
        SliceDataset([item], Compose([_Load(("image", "label"))]))


def test_cache_is_used_until_content_or_settings_change(tmp_path: Path) -> None:
    item, cache = _item(tmp_path / "data"), str(tmp_path / "cache")

    def prepare(factor: float = 1.0) -> tuple[int, torch.Tensor]:
        before = _Load.calls
        image = PreparedDataset([item], Compose([_Load(("image", "label"), factor)]), cache_dir=cache)[0]["image"]
        return _Load.calls - before, image

    assert prepare()[0] == 1
    assert prepare()[0] == 0
    n_calls, doubled = prepare(2.0)
    assert n_calls == 1
    assert doubled.max() == 2 * 179
    np.save(item["image"], np.zeros((2, 6, 5, 3), dtype=np.float32))
    n_calls, changed = prepare()
    assert n_calls == 1
    assert changed.max() == 0


def test_many_missing_volumes_are_prepared_at_once_and_bad_ones_left(tmp_path: Path) -> None:
    items = []
    for index in range(17):
        np.save(tmp_path / f"{index}.npy", np.full((3, 3), index, dtype=np.float32))
        items.append({"image": str(tmp_path / f"{index}.npy")})
    (tmp_path / "16.npy").write_bytes(b"no array")
    load, cache = Compose([Lambdad("image", func=np.load)]), tmp_path / "cache"
    dataset = PreparedDataset(items, load, cache_dir=str(cache), n_processes=2)
    assert len(list(cache.glob("*.pt"))) == 16
    assert [int(dataset[index]["image"].max()) for index in range(16)] == list(range(16))
    assert len(list(cache.glob("*.pt"))) == 16
    with pytest.raises(Exception, match="applying transform"):
        dataset[16]


def test_key_names_content_not_place(tmp_path: Path) -> None:
    first, second = _item(tmp_path / "a"), _item(tmp_path / "b")
    assert content_key(first) == content_key(second)
    assert content_key(first | {"scheme": "acdc"}) != content_key(first)
    assert content_key({"image": str(tmp_path / "a")}) != content_key({"image": first["image"]})
