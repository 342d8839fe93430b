"""The label table and the schemes of data sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.core.errors import ConfigError, GridError, LabelError
from pipeline.core.labels import (
    BACKGROUND,
    LV,
    MYO,
    RV,
    SCHEMES,
    STRUCTURES,
    UNLABELLED,
    as_drawn,
    is_partial,
    is_structure,
    map_labels,
    members,
    one_of,
    undrawn_values,
)

MAPS = arrays(np.uint8, array_shapes(max_dims=4, max_side=4), elements=st.sampled_from([0, 1, 2, 3, UNLABELLED]))


def test_the_values_that_files_on_disk_hold() -> None:
    assert (BACKGROUND, LV.value, MYO.value, RV.value, UNLABELLED) == (0, 1, 2, 3, 255)
    assert [s.value for s in STRUCTURES] == [1, 2, 3]


def test_names_and_codes_that_others_read() -> None:
    assert [(s.name, s.short, s.snomed, s.meaning) for s in STRUCTURES] == [
        ("left_ventricle", "LV", "87878005", "Left ventricle"),
        ("myocardium", "MYO", "49848007", "Left ventricular myocardium"),
        ("right_ventricle", "RV", "53085002", "Right ventricle"),
    ]


@given(MAPS)
def test_acdc_s_order_is_its_own_inverse(labels: np.ndarray) -> None:
    once = map_labels(labels, scheme="acdc")
    assert once.dtype == np.uint8
    np.testing.assert_array_equal(map_labels(once, scheme="acdc"), labels)


@given(MAPS)
def test_our_own_scheme_and_mnms_change_nothing(labels: np.ndarray) -> None:
    np.testing.assert_array_equal(map_labels(labels, scheme="cmr"), labels)
    np.testing.assert_array_equal(map_labels(labels, scheme="mnms"), labels)


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_every_scheme_keeps_background_and_what_nobody_labelled(name: str) -> None:
    assert map_labels(np.array([0, UNLABELLED]), scheme=name).tolist() == [0, UNLABELLED]


def test_a_left_cavity_alone() -> None:
    assert map_labels(np.array([0, 1]), scheme="lv_cavity").tolist() == [0, 1]
    with pytest.raises(LabelError, match="got \\[2\\]"):
        map_labels(np.array([0, 1, 2]), scheme="lv_cavity")


def test_values_may_be_merged_and_spelled_as_json_spells_them() -> None:
    scheme = {"0": "0", "500": "1", "200": "2", "205": "2"}
    mapped = map_labels(np.array([[500.0, 200.0], [205.0, 0.0]]), scheme=scheme)  # type: ignore[arg-type]
    assert mapped.tolist() == [[1, 2], [2, 0]]


@pytest.mark.parametrize("value", [4, -1, 254, 1.5, float("nan"), float("inf")])
def test_values_that_no_scheme_declares_are_refused(value: float) -> None:
    with pytest.raises(LabelError, match=r"among \[0, 1, 2, 3, 255\]"):
        map_labels(np.array([0, value]), scheme="cmr")


def test_only_a_few_of_many_unknown_values_are_told() -> None:
    with pytest.raises(LabelError, match=r"got \[4, 5, 6, 7, 8, 9, 10, 11\] as well"):
        map_labels(np.arange(100), scheme="cmr")


def test_an_unknown_scheme_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"\['acdc', 'cmr', 'lv_cavity', 'mnms'\], got 'other'"):
        map_labels(np.zeros(1), scheme="other")


def test_empty_in_empty_out() -> None:
    mapped = map_labels(np.zeros((0, 3)), scheme="cmr")
    assert mapped.shape == (0, 3)
    assert mapped.dtype == np.uint8


def test_a_scheme_may_declare_the_value_that_else_means_unlabelled() -> None:
    scheme = {0: 0, 85: 1, 170: 2, 255: 3}
    assert map_labels(np.array([0, 85, 170, 255], np.uint8), scheme=scheme).tolist() == [0, 1, 2, 3]


@given(st.sets(st.integers(0, 6), min_size=2))
def test_a_partial_value_is_its_members(values: set[int]) -> None:
    value = one_of(values)
    assert (set(members(value)), 128 < value <= UNLABELLED) == (values, True)
    assert (value == UNLABELLED) == (values == set(range(7)))
    labels = np.array([0, 1, value, UNLABELLED], np.uint8)
    assert is_partial(labels).tolist() == [False, False, value != UNLABELLED, False]
    assert is_structure(labels).tolist() == [False, True, False, False]
    assert undrawn_values(labels) == (values - {0} if value != UNLABELLED else set())


def test_partial_values_are_mapped_as_their_members_are() -> None:
    labels = np.array([one_of((0, 1)), one_of((0, 1, 3)), one_of((0, 2))], np.uint8)
    mapped = map_labels(labels, scheme={0: 0, 1: 0, 2: 2, 3: 0})
    assert mapped.tolist() == [0, 0, one_of((0, 2))]
    with pytest.raises(LabelError, match="got \\[161\\]"):
        map_labels(np.array([one_of((0, 5))]), scheme="cmr")


def test_a_static_volume_says_what_it_says() -> None:
    volume = np.array([0, 1, 2], np.uint8).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(as_drawn(volume), volume)
    np.testing.assert_array_equal(as_drawn(np.zeros_like(volume)), np.zeros_like(volume))


def test_what_is_partial_already_is_left_open_further() -> None:
    volume = np.array([one_of((0, 2)), 1, UNLABELLED, 0], np.uint8).reshape(1, 4, 1, 1)
    found = as_drawn(volume, drawn_values=[1, 2])
    assert found.ravel().tolist() == [one_of((0, 2, 3)), 1, UNLABELLED, one_of((0, 3))]


def test_stated_phases_go_before_what_is_in_them() -> None:
    cine = np.array([[0, 1], [0, 0], [0, 1]], np.uint8).reshape(3, 2, 1, 1)
    assert as_drawn(cine, drawn_phases=[0, 1])[..., 0, 0].tolist() == [[0, 1], [129 + 2, 129 + 2], [255, 255]]
    with pytest.raises(GridError, match="from 0 to 2"):
        as_drawn(cine, drawn_phases=[3])
