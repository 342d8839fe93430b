"""The MONAI wrappers: view, bias, intensity, resampling; and the way back to the file's own grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import PersistentDataset
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Compose, Flipd, Invertd, Spacingd

from pipeline.core.errors import ConfigError
from pipeline.core.geometry import affine_from_dicom, spacing_of
from pipeline.core.pose import AS_STORED, POSES, Pose
from pipeline.infer.transforms import ToLabelMapd
from pipeline.prepare.transforms import CentredSpacingd, CorrectBiasd, NormaliseIntensityd, StandardViewd
from pipeline.prepare.view import View, standard_view

OBLIQUE = affine_from_dicom(
    position=(10.0, -40.0, 25.0),
    orientation=(0.8, 0.6, 0.0, 0.0, 0.0, -1.0),
    pixel_spacing=(1.9, 1.2),
    slice_step=(-0.6 * 9, 0.8 * 9, 0.0),
)


def _cine(affine: np.ndarray, shape: tuple[int, ...] = (3, 40, 36, 4)) -> MetaTensor:
    x = torch.linspace(0, 3, shape[1]).view(1, -1, 1, 1)
    y = torch.linspace(0, 2, shape[2]).view(1, 1, -1, 1)
    smooth = torch.sin(x) + torch.cos(y) + torch.arange(shape[0]).view(-1, 1, 1, 1) + torch.arange(shape[3]) / 3
    return MetaTensor(smooth.float().contiguous(), affine=torch.tensor(affine))


STANDARD = View(AS_STORED, False)


@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_there_and_back_on_an_oblique_grid(pose: Pose) -> None:
    affine = OBLIQUE @ View(pose, True).index_matrix((40, 36, 4))
    image = _cine(affine)
    forward = Compose(
        [
            StandardViewd("image"),
            CorrectBiasd("image"),
            CentredSpacingd("image", pixdim=[1.4, 1.4, -1], mode="bilinear", padding_mode="border"),
            NormaliseIntensityd("image"),
        ]
    )
    item = forward({"image": image})
    assert item["image"].shape[0] == 3
    assert item["image"].shape[3] == 4
    assert spacing_of(item["image"].affine.numpy()) == pytest.approx((1.4, 1.4, 9.0))
    assert standard_view(item["image"].affine.numpy()) == STANDARD
    n_classes = 2
    item["pred"] = MetaTensor(torch.cat([item["image"], -item["image"]])[[0, 3, 1, 4, 2, 5]], meta=item["image"].meta)
    restored = Invertd("pred", transform=forward, orig_keys="image", nearest_interp=False)(item)["pred"]
    assert restored.shape == (3 * n_classes, *image.shape[1:])
    np.testing.assert_allclose(restored.affine, affine, atol=1e-9)
    expected = NormaliseIntensityd("image")(CorrectBiasd("image")({"image": image}))["image"]
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert np.corrcoef(restored[0::2][inner].flatten(), expected[inner].flatten())[0, 1] > 0.999
    labels = ToLabelMapd("pred", n_classes=n_classes)({"pred": restored})["pred"]
    assert labels.shape == image.shape
    assert labels.dtype == torch.uint8


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_what_a_truthful_header_says_is_undone_to_the_bit(pose: Pose, reverse: bool) -> None:
    affine = np.diag([-1.5, -1.5, 8.0, 1.0])
    image = _cine(affine)
    stored = pose.apply(image.as_tensor())
    turned = affine @ View(pose, reverse).index_matrix((40, 36, 4))
    laid = MetaTensor(stored.flip(-1) if reverse else stored, affine=torch.tensor(turned))
    viewed = StandardViewd("image")({"image": laid})["image"]
    torch.testing.assert_close(viewed.as_tensor(), image.as_tensor(), rtol=0, atol=0)
    np.testing.assert_allclose(viewed.affine, affine, atol=1e-9)


@pytest.mark.parametrize("y_sign", [-1.0, 1.0])
def test_view_undoes_itself_alone(y_sign: float) -> None:
    affine = np.diag([-1.5, y_sign * 1.5, 8.0, 1.0])
    forward = Compose([Flipd("image", spatial_axis=1), StandardViewd("image")])
    item = forward({"image": _cine(affine)})
    restored = forward.inverse({"image": item["image"]})["image"]
    np.testing.assert_allclose(restored.affine, affine)
    torch.testing.assert_close(restored.as_tensor(), _cine(affine).as_tensor())


def test_a_volume_cached_by_another_process_finds_its_way_back(tmp_path) -> None:
    """Transforms made anew, as in a resumed training, undo what their predecessors recorded on disk."""
    affine = OBLIQUE @ View(Pose(True, True, False), True).index_matrix((40, 36, 4))

    def chain() -> Compose:
        return Compose([StandardViewd("image"), CentredSpacingd("image", pixdim=[1.4, 1.4, -1], padding_mode="border")])

    def prepared(forward: Compose) -> dict:
        data = [{"image": _cine(affine)}]
        cache = PersistentDataset(
            data,
            forward,
            cache_dir=tmp_path,
            hash_func=lambda item: b"one",  # noqa: ARG005
            track_meta=True,
            weights_only=False,
        )
        return dict(cache[0])

    first, second = chain(), chain()
    prepared(first)
    item = prepared(second)
    item["pred"] = MetaTensor(torch.cat([item["image"], -item["image"]]), meta=item["image"].meta)
    restored = Invertd("pred", transform=second, orig_keys="image", nearest_interp=False)(item)["pred"]
    assert restored.shape == (6, 40, 36, 4)
    np.testing.assert_allclose(restored.affine, affine, atol=1e-9)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert np.corrcoef(restored[:3][inner].flatten(), _cine(affine)[inner].flatten())[0, 1] > 0.999


def test_resampling_leaves_slices_apart() -> None:
    """What one slice holds stays in that slice, with the slice distance untouched, through resampling and back."""
    image = _cine(OBLIQUE) * 0
    image[1, :, :, 2] = 7.0
    forward = CentredSpacingd("image", pixdim=[1.4, 1.4, -1], mode="bilinear", padding_mode="border")
    item = forward({"image": image})
    assert item["image"].shape[1:3] != image.shape[1:3]
    expected = torch.zeros(3, 4)
    expected[1, 2] = 7.0
    for result in (item["image"], forward.inverse(item)["image"]):
        torch.testing.assert_close(result.as_tensor().amin((1, 2)), expected)
        torch.testing.assert_close(result.as_tensor().amax((1, 2)), expected)


def test_field_is_retrievable() -> None:
    image = _cine(OBLIQUE) + 5.0
    item = CorrectBiasd("image", field_key="log_field")({"image": image})
    product = item["image"].as_tensor() * torch.exp(item["log_field"])
    torch.testing.assert_close(product, image.as_tensor(), rtol=1e-4, atol=1e-4)


def test_mean_subtraction_wants_its_mean() -> None:
    image = _cine(OBLIQUE)
    item = NormaliseIntensityd("image", method="subtract_mean", mean=1.5)({"image": image})
    torch.testing.assert_close(item["image"].as_tensor(), image.as_tensor() - 1.5)
    for settings in ({"method": "subtract_mean"}, {"method": "zscore", "mean": 1.0}, {"method": "best"}):
        with pytest.raises(ConfigError, match="`me"):
            NormaliseIntensityd("image", **settings)


@pytest.mark.parametrize("pose", POSES, ids=lambda pose: pose.name)
def test_a_picture_laid_down_otherwise_is_resampled_at_the_same_places(pose: Pose) -> None:
    """And by MONAI's own `Spacingd` it is not."""
    affine = np.diag([-1.4, -1.4, 8.0, 1.0])
    rng = np.random.default_rng(0)
    image = MetaTensor(torch.tensor(rng.normal(size=(1, 31, 28, 4))).float(), affine=torch.tensor(affine))
    laid = MetaTensor(pose.apply(image.as_tensor()).contiguous(), affine=torch.tensor(affine))
    resample = CentredSpacingd("image", pixdim=[1.25, 1.25, -1])
    one, other = (resample({"image": each})["image"] for each in (image, laid))
    torch.testing.assert_close(other.as_tensor(), pose.apply(one.as_tensor()), atol=1e-4, rtol=0)
    back = resample.inverse({"image": other})["image"]
    assert back.shape == laid.shape
    np.testing.assert_allclose(back.affine, affine, atol=1e-6)
    theirs = Spacingd("image", pixdim=[1.25, 1.25, -1], padding_mode="border")
    one, other = (theirs({"image": each})["image"].as_tensor() for each in (image, laid))
    flips = pose.flip_x or pose.flip_y
    assert bool((other - pose.apply(one)).abs().max() > 0.1) == flips


def test_the_middle_stays_where_it_is() -> None:
    image = _cine(OBLIQUE)
    resampled = CentredSpacingd("image", pixdim=[1.4, 1.4, -1])({"image": image})["image"]
    here, there = (np.asarray(each.affine) @ [*((np.array(each.shape[1:]) - 1) / 2), 1] for each in (image, resampled))
    np.testing.assert_allclose(here, there)
    assert spacing_of(resampled.affine.numpy()) == pytest.approx((1.4, 1.4, 9.0))
