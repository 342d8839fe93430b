"""The kind of picture: by ImageType, FrameType, ComplexImageComponent and GE's own element."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.read.dicom.files import read_frames
from pipeline.read.dicom.kinds import Kind, kind_of


@pytest.mark.parametrize(
    ("image_type", "kind"),
    [
        ([], Kind()),
        (["ORIGINAL", "PRIMARY"], Kind()),
        (["P", "ND"], Kind()),  # the first two words tell something else
        (["ORIGINAL", "PRIMARY", "OTHER"], Kind()),
        (["ORIGINAL", "PRIMARY", "M", "RETRO", "NORM"], Kind()),
        (["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"], Kind()),
        (["ORIGINAL", "PRIMARY", "P"], Kind("phase")),
        (["ORIGINAL", "PRIMARY", " phase map ", "P", "DIS2D"], Kind("phase", correction="DIS2D")),
        (["ORIGINAL", "PRIMARY", "VELOCITY MAP", "P", "PCA"], Kind("phase")),
        (["ORIGINAL", "PRIMARY", "R_IR", "R", "IR"], Kind("real")),
        (["ORIGINAL", "PRIMARY", "M", "PSIR", "ND"], Kind("real", correction="ND")),
        (["ORIGINAL", "PRIMARY", "I"], Kind("imaginary")),
        (["ORIGINAL", "PRIMARY", "FIELD_MAP", "FIELD_MAP"], Kind("field map")),
        (["DERIVED", "PRIMARY", "M", "T1 MAP"], Kind("parameter map", is_derived=True)),
        (["DERIVED", "SECONDARY", "M", "ND"], Kind(is_derived=True, correction="ND")),
        (["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], Kind(correction="ND", is_mosaic=True)),
    ],
)
def test_words_of_the_image_type(image_type: list[str], kind: Kind) -> None:
    assert kind_of(image_type) == kind


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        ("MAGNITUDE", "magnitude"),
        ("PHASE", "phase"),
        ("REAL", "real"),
        ("imaginary", "imaginary"),
        ("MIXED", "magnitude"),
    ],
)
def test_the_complex_component_tells_where_words_do_not(component: str, expected: str) -> None:
    assert kind_of(["ORIGINAL", "PRIMARY", "M", "NONE"], component=component).component == expected


def test_a_map_is_a_map_whatever_its_component() -> None:
    assert kind_of(["ORIGINAL", "PRIMARY", "FIELD_MAP", "NONE"], component="REAL").component == "field map"


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "magnitude"), (1, "phase"), (2, "real"), (3, "imaginary"), (9, "magnitude")]
)
def test_ges_own_element(study, value: int, expected: str) -> None:
    path = study.image(0, 0, ImageType=["ORIGINAL", "PRIMARY", "OTHER"], private=(0x0043102F, "SS", value))
    assert read_frames([path]).frames[0].kind.component == expected


@given(st.permutations(["ND", "PSIR", "NORM", "M"]))
def test_the_order_of_words_does_not_matter(words: list[str]) -> None:
    assert kind_of(["ORIGINAL", "PRIMARY", *words]) == Kind("real", correction="ND")
