"""From the sums of a network's probabilities to what its labels are worth, by the bundle's calibration."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np

from pipeline.core.certainty import Certainty, ExpectedDice
from pipeline.core.digests import file_digest
from pipeline.core.errors import BundleError
from pipeline.core.labels import STRUCTURES
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.measure.certainty.calibration import Calibration
from pipeline.measure.certainty.features import describe_certainty, spread_of_volumes

__all__ = ["CALIBRATION", "expect_dice", "judge_certainty", "read_calibration"]

CALIBRATION = "calibration.json"
"""In a bundle's `models`, beside the weights that it is for."""

_log = logging.getLogger(__name__)


def read_calibration(weights: str | Path) -> Calibration | None:
    """Read the calibration of a bundle's weights, `CALIBRATION` in their folder.

    Args:
        weights: file of the weights that are used. A calibration for others is passed over, with a warning.

    Returns:
        `None` where the bundle has none, or none for these weights.

    Raises:
        BundleError: a file that holds something else.
    """
    weights = Path(weights)
    path = weights.with_name(CALIBRATION)
    if not path.is_file() or not weights.is_file():
        return None
    try:
        calibration = Calibration.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"a calibration of this version is needed, and {path} is none: {error}; make it anew with `cmr calibrate`"
        ) from error
    if calibration.weights_sha256 != file_digest(weights):
        _log.warning("%s is for other weights than %s and is not used", path, weights.name)
        return None
    return calibration


def expect_dice(sums: ProbabilitySums) -> ExpectedDice:
    """The Dice that the network's own probabilities let expect. It is too high, since networks are overconfident."""
    return _by_structure(sums.expected_dice)


def judge_certainty(
    calibration: Calibration, sums: ProbabilitySums, volumes_ml: np.ndarray
) -> tuple[ExpectedDice, Certainty]:
    """Say what Dice is to be expected of a network's labels, and how sure their volumes are.

    Args:
        calibration: of the bundle.
        sums: of its network's probabilities, T phases.
        volumes_ml: (T, structures) as labelled.

    Returns:
        The expected Dice, calibrated, and what belongs to it.
    """
    features = describe_certainty(sums, volumes_ml)
    curves = [calibration.curves[structure.name] for structure in STRUCTURES]
    expected = np.stack([curve.expect(features[:, index]) for index, curve in enumerate(curves)], axis=1)
    low = np.stack([curve.expect_at_least(features[:, index]) for index, curve in enumerate(curves)], axis=1)
    certainty = Certainty(
        dice_low=_by_structure(low),
        spread_ml=_by_structure(spread_of_volumes(sums, volumes_ml)),
        volumes=calibration.volumes,
        functions=calibration.functions,
        level=calibration.level,
        pass_dice=calibration.pass_dice,
        fail_dice=calibration.fail_dice,
    )
    return _by_structure(expected), certainty


def _by_structure(values: np.ndarray) -> dict[str, tuple[float | None, ...]]:
    """Values (T, structures) by structure's name. NaN, for an absent structure, becomes `None`."""
    return {
        structure.name: tuple(None if np.isnan(value) else round(float(value), 4) for value in column)
        for structure, column in zip(STRUCTURES, np.asarray(values, dtype=float).T, strict=True)
    }
