from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.core.errors import ConfigError
from pipeline.core.review import Review, leave_out_slices

ACCEPTED = Review("accepted", "AB", "2026-11-27T10:36:36Z", "fine", (0, 3), (1, 5), "a" * 64)


def test_a_review_converts_to_json_and_back() -> None:
    for review in (Review(), ACCEPTED):
        assert Review.from_json(json.loads(json.dumps(review.to_json()))) == review
    with pytest.raises(KeyError):
        Review.from_json({"status": "accepted"})


def test_a_decision_is_of_the_labels_that_were_seen() -> None:
    assert ACCEPTED.of("a" * 64, drawn_sha256="d" * 64) == ACCEPTED
    changed = ACCEPTED.of("b" * 64, drawn_sha256="d" * 64)
    assert changed == Review("corrected", None, None, "fine", (0, 3), (), "b" * 64)
    drawn_again = ACCEPTED.of("d" * 64, drawn_sha256="d" * 64)
    assert drawn_again == Review(comment="fine", excluded_slices=(0, 3))
    assert Review().of("d" * 64, drawn_sha256="d" * 64) == Review()
    assert Review().of("b" * 64, drawn_sha256=None).status == "corrected"


def test_excluded_slices_are_empty_and_the_map_is_not_touched() -> None:
    labels = np.ones((2, 3, 3, 4), np.uint8)
    counted = leave_out_slices(labels, (0, 3))
    assert counted.sum(axis=(1, 2)).tolist() == [[0, 9, 9, 0]] * 2
    assert labels.all()
    assert leave_out_slices(labels, ()) is labels
    for absent in (-1, 4):
        with pytest.raises(ConfigError, match="from 0 to 3"):
            leave_out_slices(labels, (absent,))
