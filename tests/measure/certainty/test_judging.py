"""Which calibration a bundle's weights have."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.certainty import Certainty
from pipeline.core.digests import file_digest
from pipeline.core.errors import BundleError
from pipeline.core.labels import LV, RV, STRUCTURES
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.measure.certainty.calibration import Calibration, DiceCurve
from pipeline.measure.certainty.judging import CALIBRATION, expect_dice, judge_certainty, read_calibration

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


def test_a_calibration_whose_weights_are_gone_is_none(weights: Path) -> None:
    _write(weights, MADE)
    weights.unlink()
    assert read_calibration(weights) is None


def test_which_calibration_is_not_used_is_told(weights: Path, caplog: pytest.LogCaptureFixture) -> None:
    _write(weights, MADE)
    with caplog.at_level(logging.WARNING):
        read_calibration(weights)
    path = weights.with_name("calibration.json")
    assert caplog.messages == [f"{path} is for other weights than model.pt and is not used"]


def test_what_is_wrong_with_a_calibration_is_told(weights: Path) -> None:
    _write(weights, replace(MADE, curves={}))
    with pytest.raises(BundleError) as refused:
        read_calibration(weights)
    path = weights.with_name("calibration.json")
    assert str(refused.value) == (
        f"a calibration of this version is needed, and {path} is none: other structures; make it anew with "
        "`cmr calibrate`"
    )


def _sums() -> ProbabilitySums:
    """Three structures at two phases, 100 pixels each; the second is absent at the second phase."""
    decided = np.full((2, 3, 1), 100.0)
    agreed = np.array([[[95.0], [90.0], [85.0]], [[95.0], [0.0], [50.0]]])
    decided[1, 1] = 0.0
    return ProbabilitySums(decided, agreed, np.full((2, 3, 1), 100.0), decided - 10.0, decided + 10.0)


def test_the_network_s_own_dice_has_four_decimals() -> None:
    thirds = ProbabilitySums(*(np.full((1, 3, 1), one) for one in (100.0, 200 / 3, 100.0, 50.0, 110.0)))
    assert expect_dice(thirds) == dict.fromkeys(NAMES, (0.6667,))
    assert expect_dice(_sums()) == {
        "left_ventricle": (0.95, 0.95),
        "myocardium": (0.9, None),
        "right_ventricle": (0.85, 0.5),
    }


def test_each_structure_is_judged_by_its_own_curve() -> None:
    """The left one's always says 0.8, the wall's 0.6 and the right one's 0.5, with odds lower by e, e^2 and 1."""
    level = [replace(CURVE, dice=(dice, dice), low=low) for dice, low in ((0.8, -1.0), (0.6, -2.0), (0.5, 0.0))]
    made = replace(MADE, curves=dict(zip(NAMES, level, strict=True)))
    volumes = np.array([[100.0, 50.0, 30.0], [60.0, 50.0, 1 / 3]])
    expected, certainty = judge_certainty(made, _sums(), volumes)
    assert expected == {
        "left_ventricle": (0.8, 0.8),
        "myocardium": (0.6, None),
        "right_ventricle": (0.5, 0.5),
    }
    assert certainty == Certainty(
        dice_low={
            "left_ventricle": (0.5954, 0.5954),  # odds of 4 / e
            "myocardium": (0.1687, None),  # 1.5 / e^2
            "right_ventricle": (0.5, 0.5),
        },
        spread_ml={
            "left_ventricle": (20.0, 12.0),  # a fifth
            "myocardium": (10.0, None),
            "right_ventricle": (6.0, 0.0667),
        },
        volumes=MADE.volumes,
        functions=MADE.functions,
        level=0.9,
        pass_dice=0.91,
        fail_dice=0.8,
    )


def test_a_curve_reads_its_own_structure_s_features() -> None:
    """A Dice straight from the logit of the network's own: 0.95, 0.9 and 0.85 are 2.944, 2.197 and 1.735."""
    straight = replace(CURVE, estimates=(0.0, 10.0), dice=(0.0, 1.0))
    made = replace(MADE, curves=dict.fromkeys(NAMES, straight))
    expected, _ = judge_certainty(made, _sums(), np.full((2, 3), 50.0))
    assert expected == {
        "left_ventricle": (0.2944, 0.2944),
        "myocardium": (0.2197, None),
        "right_ventricle": (0.1735, 0.0),
    }
