"""The identity of a bundle's preparation is what its configuration resolves to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from pipeline.app.preparation import describe_inference, plain_settings
from pipeline.app.segmenter import Segmenter


def described(bundle: Path, **changed: object) -> dict:
    content = json.loads((bundle / "configs" / "inference.json").read_text())
    assert set(changed) <= set(content)
    return describe_inference(ConfigParser(content | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"spacing_mm": [3.0, 4.0, -1]},
        {"n4": False},
        {"normalisation": "zscore"},
        {"window": [64, 80]},
        {"turns_deg": [0.0, 5.0]},
        {"focus": True},
        {"context": 1},
        {"overlap": 0.5},
        {"clean_up": False},
        {"keep_largest": True},
        {"n_classes": 3},
        {"crf": True},
        {"series_uid": "1.2"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_setting_counts(untrained_bundle: Path, changed: dict) -> None:
    assert described(untrained_bundle, **changed) != described(untrained_bundle)


def test_results_state_all_settings_and_no_place(untrained_bundle: Path) -> None:
    settings = Segmenter(untrained_bundle).provenance.settings
    assert {"training_mean", "context", "overlap", "crf_settings", "n4", "window"} <= set(settings)
    assert len(settings["inference_sha256"]) == 64
    assert str(untrained_bundle) not in json.dumps(settings)


def test_code_and_components_are_no_settings() -> None:
    config = {"a": "$1 + 1", "b": "@a", "c": {"_target_": "x"}, "d": [{"e": "$f"}], "g": {"h": [1, None]}}
    assert plain_settings(config) == {"g": {"h": [1, None]}}
