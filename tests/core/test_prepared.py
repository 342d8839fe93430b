"""Prepared stacks and how intensities are rounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.core.errors import ConfigError, GridError
from pipeline.core.prepared import PreparedStack, quantise


@given(
    arrays(np.float32, (2, 3, 4), elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False)),
    st.integers(1, 16),
)
def test_no_intensity_moves_by_more_than_half_a_step(image: np.ndarray, bits: int) -> None:
    stack = PreparedStack(**quantise(image, bits=bits), label=np.zeros((2, 3, 4), np.uint8), spacing_mm=(1, 1, 8))
    assert stack.stored.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert int(stack.stored.max()) < 2**bits
    np.testing.assert_allclose(stack.image, image, atol=stack.step / 2 + 1e-6 * np.abs(image).max())


def test_one_intensity_is_kept_exactly() -> None:
    stack = PreparedStack(
        **quantise(np.full((1, 2, 2), 3.5), bits=8), label=np.zeros((1, 2, 2), np.uint8), spacing_mm=(1, 1, 8)
    )
    assert (stack.image == 3.5).all()
    assert stack.step == 0


def test_labelled_slices() -> None:
    label = np.full((3, 2, 2), 255, np.uint8)
    label[1] = 0
    label[2, 0, 0] = 1
    assert PreparedStack(np.zeros((3, 2, 2), np.uint8), 0.0, 1.0, label, (1, 1, 8)).labelled_slices.tolist() == [1, 2]


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="bits"):
        quantise(np.zeros((1, 2, 2)), bits=17)
    with pytest.raises(GridError, match="finite"):
        quantise(np.array([[[np.inf]]]), bits=8)
    with pytest.raises(GridError, match=r"\(Z, X, Y\)"):
        PreparedStack(np.zeros((3, 2, 2), np.uint8), 0.0, 1.0, np.zeros((3, 2, 3), np.uint8), (1, 1, 8))
