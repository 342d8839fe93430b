"""What tells frames apart: the plane they lie in, the words of ImageType, whether values are rescaled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.read.dicom.frames import Frame, NativeForm, plane_normal, variant_of

FRAME = Frame(
    path=Path("one.dcm"),
    frame_number=1,
    sop_instance_uid="1.2.3.4",
    series_uid="1.2.3",
    study_uid="1.2",
    position=(0.0, 0.0, 0.0),
    orientation=(0.8, 0.6, 0.0, 0.0, 0.0, -1.0),
    pixel_spacing=(2.0, 1.5),
    rows=4,
    columns=5,
)


def test_the_normal_is_rows_by_columns_and_of_unit_length() -> None:
    np.testing.assert_allclose(plane_normal((0.8, 0.6, 0.0, 0.0, 0.0, -1.0)), [-0.6, 0.8, 0.0])
    np.testing.assert_allclose(plane_normal((0.0, 0.0, -3.0, 1.6, 1.2, 0.0)), [0.6, -0.8, 0.0])


@pytest.mark.parametrize(
    ("image_type", "variant"),
    [
        (None, ()),
        ([], ()),
        (["ORIGINAL", "PRIMARY"], ()),
        (["P", "ND"], ()),  # the first two words tell something else
        (["ORIGINAL", "PRIMARY", "P"], ("P",)),
        (["ORIGINAL", "PRIMARY", "M", "RETRO", "NORM"], ()),
        (["ORIGINAL", "PRIMARY", " phase map ", "DIS2D"], ("DIS2D", "PHASE MAP")),
    ],
)
def test_words_that_tell_images_apart(image_type: list[str] | None, variant: tuple[str, ...]) -> None:
    assert variant_of(image_type) == variant


@pytest.mark.parametrize(
    "word",
    ["P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY", "PSIR", "VELOCITY", "ND", "DIS2D", "DIS3D", "MOSAIC"],
)
def test_maps_parts_and_corrections_are_told_from_the_magnitude(word: str) -> None:
    assert variant_of(["ORIGINAL", "PRIMARY", "M", word.lower()]) == (word,)


@given(st.permutations(["ND", "PSIR", "R", "M", "ND"]))
def test_the_order_of_words_does_not_matter(words: list[str]) -> None:
    assert variant_of(["ORIGINAL", "PRIMARY", *words]) == ("ND", "PSIR", "R")


@pytest.mark.parametrize(
    ("slope", "intercept", "rescaled"), [(1.0, 0.0, False), (2.0, 0.0, True), (1.0, -1.0, True), (0.5, 4.0, True)]
)
def test_values_are_rescaled_unless_slope_is_one_and_intercept_none(
    slope: float, intercept: float, rescaled: bool
) -> None:
    assert not FRAME.is_rescaled
    assert replace(FRAME, rescale_slope=slope, rescale_intercept=intercept).is_rescaled is rescaled


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("sign", [-1, 1])
def test_any_direction_cosine_beyond_the_tolerance_is_another_direction(index: int, sign: int) -> None:
    turned = list(FRAME.orientation)
    turned[index] += sign * 0.25
    other = replace(FRAME, orientation=tuple(turned))
    assert FRAME.is_parallel_to(FRAME, tolerance=0.0)
    assert FRAME.is_parallel_to(other, tolerance=0.2501)
    assert not FRAME.is_parallel_to(other, tolerance=0.2499)
    assert other.is_parallel_to(FRAME, tolerance=0.2501)


def test_a_difference_of_just_the_tolerance_is_parallel() -> None:
    first, second = (replace(FRAME, orientation=(one, 0.0, 0.0, 0.0, 1.0, 0.0)) for one in (1.0, 0.75))
    assert first.is_parallel_to(second, tolerance=0.25)


def test_rows_the_other_way_round_are_not_parallel() -> None:
    other = replace(FRAME, orientation=tuple(-one for one in FRAME.orientation))
    assert not FRAME.is_parallel_to(other, tolerance=0.1)


def test_plain_pixels_have_no_spare_bits() -> None:
    assert NativeForm(offset=100, dtype="<u2").spare_bits == 0
