"""Which calibration a bundle's weights have."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.digests import file_digest
from pipeline.core.errors import BundleError
from pipeline.core.labels import LV, RV, STRUCTURES
from pipeline.measure.certainty.calibration import Calibration, DiceCurve
from pipeline.measure.certainty.judging import CALIBRATION, read_calibration

NAMES = [structure.name for structure in STRUCTURES]
CURVE = DiceCurve((0.0,) * 4, (1.0,) * 4, (1.0, 0.0, 0.0, 0.0), 0.0, (-2.0, 6.0), (0.1, 0.9), -1.0)
MADE = Calibration(
    curves=dict.fromkeys(NAMES, CURVE),
    volumes=dict.fromkeys(NAMES, (-0.5, 0.25)),
    functions={side: {"sv_ml": (-1.0, 2.0), "ef_percent": (-0.5, 0.5)} for side in (LV.name, RV.name)},
    level=0.9,
    pass_dice=0.91,
    fail_dice=0.8,
    weights_sha256="",
    made_from={"patients": 100},
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return path


def _write(weights: Path, made: Calibration) -> None:
    weights.with_name(CALIBRATION).write_text(json.dumps(made.to_json()), encoding="utf-8")


def test_a_calibration_stands_beside_its_weights(weights: Path) -> None:
    assert read_calibration(weights) is None
    assert read_calibration(weights.with_name("models")) is None  # an ensemble's, or none yet
    made = replace(MADE, weights_sha256=file_digest(weights))
    _write(weights, made)
    assert read_calibration(str(weights)) == made


def test_one_for_other_weights_is_not_used(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    _write(weights, replace(MADE, weights_sha256=file_digest(weights)))
    weights.write_bytes(b"trained on")
    with caplog.at_level(logging.WARNING):
        assert read_calibration(weights) is None
    assert "is for other weights than model.pt" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        *("{", "[]", "{}", "null", json.dumps({"format": 2})),
        *(json.dumps(MADE.to_json() | other) for other in ({"features": ["size"]}, {"curves": {}}, {"functions": {}})),
    ],
)
def test_what_is_no_calibration_of_this_version_is_refused(weights: Path, content: str) -> None:
    weights.with_name(CALIBRATION).write_text(content, encoding="utf-8")
    with pytest.raises(BundleError, match="make it anew with `cmr calibrate`"):
        read_calibration(weights)
