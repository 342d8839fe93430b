from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.core.errors import ConfigError
from pipeline.train.fingerprint import Fingerprint
from pipeline.train.plan import PIXELS_A_BATCH, make_plan, read_plan, write_plan

ACDC_LIKE = Fingerprint(
    n_patients=100,
    n_images=200,
    n_labelled_slices=1900,
    pixel_mm=1.5625,
    slice_distance_mm=10.0,
    size_pixels=(216, 256),
    size_mm=(337.5, 400.0),
    heart_mm=160.0,
    structure_fraction={},
)


def test_a_plan_by_hand() -> None:
    settings = make_plan(ACDC_LIKE).settings
    assert settings["spacing_mm"] == [1.56, 1.56, -1]
    # 160 / 1.56 + 32 = 134.6 pixels, four halvings leave 8.4: a multiple of 16
    assert settings["window"] == [144, 144]
    assert settings["network_def#strides"] == [2, 2, 2, 2]
    assert settings["network_def#channels"] == [32, 64, 128, 256, 512]
    assert settings["batch_size"] == PIXELS_A_BATCH // 144**2


@pytest.mark.parametrize("pixel_mm", [0.6, 1.0, 1.4, 2.5, 6.0])
def test_the_network_divides_its_window(pixel_mm: float) -> None:
    settings = make_plan(replace(ACDC_LIKE, pixel_mm=pixel_mm)).settings
    step = 2 ** len(settings["network_def#strides"])
    assert settings["window"][0] % step == 0
    assert settings["window"][0] // step >= 8
    assert len(settings["network_def#channels"]) == len(settings["network_def#strides"]) + 1
    assert max(settings["network_def#channels"]) <= 512


def test_a_small_data_set_gets_a_small_batch() -> None:
    assert make_plan(replace(ACDC_LIKE, n_labelled_slices=60)).settings["batch_size"] == 3
    assert make_plan(replace(ACDC_LIKE, n_labelled_slices=5)).settings["batch_size"] == 2


def test_without_labels_the_image_sets_the_window_and_close_slices_are_told() -> None:
    plan = make_plan(replace(ACDC_LIKE, heart_mm=None, slice_distance_mm=3.0))
    assert plan.settings["window"][0] >= 400 / 1.56
    assert "no labels" in plan.reasons["window"]
    assert "3D" in plan.reasons["spacing_mm"]
    assert "3D" not in make_plan(ACDC_LIKE).reasons["spacing_mm"]


def test_the_study_s_normalisation_on_request() -> None:
    settings = make_plan(ACDC_LIKE, training_mean=79.30449).settings
    assert settings["normalisation"] == "subtract_mean"
    assert settings["training_mean"] == 79.304
    assert "normalisation" not in make_plan(ACDC_LIKE).settings


def test_a_written_plan_reads_back_and_fits_the_bundle(tmp_path: Path) -> None:
    plan = make_plan(ACDC_LIKE)
    path = write_plan(plan, ACDC_LIKE, tmp_path / "new" / "plan.yaml")
    assert read_plan(path) == plan.settings
    text = path.read_text()
    assert all(reason in text for reason in plan.reasons.values())
    copy_bundle(find_bundle("ventricles_mr_segmentation_unet"), tmp_path / "run", read_plan(path))


@pytest.mark.parametrize("content", ["- 1\n- 2\n", "a: [1\n", "1: 2\n"])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match="plan"):
        read_plan(path)
    with pytest.raises(ConfigError, match="plan"):
        read_plan(tmp_path / "absent.yaml")
