import io

import numpy as np
import pytest
from PIL import Image

from pipeline.core.labels import LV
from pipeline.write.pages.thumbnail import thumbnail


def test_a_thumbnail_has_true_proportions_and_the_outline_in_its_colour() -> None:
    labels = np.zeros((40, 20), np.uint8)
    labels[10:30, 5:15] = LV.value
    data = thumbnail(np.full((40, 20), 90, np.uint8), labels, pixel_mm=(1.0, 3.0))
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (144, 216)
        colours = np.asarray(picture, float)
    assert len(data) < 12_000
    assert colours[108, 72] == pytest.approx([90, 90, 90], abs=6)  # the middle of the cavity
    off = np.abs(colours - LV.rgb).max(axis=2)
    rows, columns = np.argwhere(off < 60).T
    assert (columns.min(), columns.max()) == pytest.approx((36, 108), abs=3)  # a quarter from each side
    assert (rows.min(), rows.max()) == pytest.approx((54, 162), abs=3)
