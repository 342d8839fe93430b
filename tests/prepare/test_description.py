"""Two preparations are the same if their descriptions are."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose, Resized, Spacingd

from pipeline.app.bundles import find_bundle
from pipeline.prepare.description import describe, description_digest, first_difference
from pipeline.prepare.transforms import CorrectBiasd, NormaliseIntensityd
from pipeline.read.transforms import CineLoadImaged


def preparation(**changed: object) -> Compose:
    settings = {"pixdim": [1.25, 1.25, -1], "shrink": 2, "method": "zscore", "series_uid": None} | changed
    return Compose(
        [
            CineLoadImaged("image", series_uid=settings["series_uid"]),
            CorrectBiasd("image", shrink=settings["shrink"]),
            Spacingd("image", pixdim=settings["pixdim"], mode="bilinear", dtype=torch.float32),
            NormaliseIntensityd("image", method=settings["method"]),
        ]
    )


def test_what_is_spelled_otherwise_is_the_same() -> None:
    assert first_difference(describe(preparation()), describe(preparation(pixdim=(1.25, 1.25, -1.0)))) is None
    assert describe(preparation()) == describe(preparation(pixdim=np.array([1.25, 1.25, -1])))


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"pixdim": [1.4, 1.25, -1]}, r"transforms\[2\].*pixdim\[0\] is 1.25 and 1.4"),
        ({"shrink": 1}, r"transforms\[1\].settings.shrink is 2 and 1"),
        ({"method": "percentile_zscore"}, r'transforms\[3\].method is "zscore" and "percentile_zscore"'),
        ({"series_uid": "1.2"}, r'transforms\[0\].series_uid is null and "1.2"'),
    ],
)
def test_every_setting_counts_and_is_named(changed: dict, place: str) -> None:
    one, other = describe(preparation()), describe(preparation(**changed))
    assert description_digest(one) != description_digest(other)
    with pytest.raises(ValueError, match=place):
        raise ValueError(first_difference(one, other))


def test_use_changes_nothing() -> None:
    transform = Spacingd("image", pixdim=[2.0, 2.0, -1], mode="bilinear")
    before = describe(transform)
    transform({"image": MetaTensor(torch.rand(1, 6, 6, 3), affine=torch.eye(4))})
    assert describe(transform) == before


@pytest.mark.parametrize("bundle", ["ventricles_mr_segmentation_unet", "heart_mr_contour_segmentation_deeplabv3"])
def test_every_setting_of_a_bundles_preparation_counts(bundle: str) -> None:
    path = find_bundle(bundle) / "configs" / "train.json"

    def described(**changed: object) -> list:
        parser = ConfigParser(json.loads(path.read_text()) | changed)
        return describe(parser.get_parsed_content("train#preprocessing"))

    changes = {
        "spacing_mm": [1.0, 1.25, -1],
        "n4": False,
        "normalisation": "zscore",
        "window": [160, 176],
        "resized_to": [500, 513, -1],
        "series_uid": "1.2.3",
    }
    own = [key for key in changes if key in json.loads(path.read_text())]
    for key in own:
        assert described(**{key: changes[key]}) != described(), key
    assert len(own) >= 5
    by_mean = [described(normalisation="subtract_mean", training_mean=mean) for mean in (2.0, 3.0)]
    assert by_mean[0] != by_mean[1]


def test_another_step_is_named() -> None:
    resized = Compose([Resized("image", spatial_size=[9, 9, -1])])
    assert first_difference(describe(preparation()), describe(resized)).startswith("transforms is [")


def test_a_description_survives_json() -> None:
    described = describe(preparation())
    assert json.loads(json.dumps(described)) == described
    assert first_difference(json.loads(json.dumps(described)), describe(preparation())) is None
