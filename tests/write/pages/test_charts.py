import pytest

from pipeline.core.errors import GridError
from pipeline.write.pages.charts import volume_chart

VOLUMES = {"left_ventricle": [100.0, 50.0, 75.0], "right_ventricle": [90.0, 40.0, 60.0]}


def test_points_lie_where_the_numbers_say() -> None:
    chart = volume_chart(VOLUMES, times_ms=[0.0, 250.0, 1000.0], marks={"ED": 0, "ES": 1})
    left, right, top, bottom = chart.frame
    assert [tick.text for tick in chart.y_ticks] == ["0", "20", "40", "60", "80", "100"]
    assert chart.y_ticks[0].place == bottom
    assert chart.y_ticks[-1].place == top
    assert chart.xs == pytest.approx((left, left + 0.25 * (right - left), right), abs=0.06)
    assert chart.lines[0].points[0] == (left, top)
    assert chart.lines[0].points[1] == pytest.approx((chart.xs[1], (top + bottom) / 2), abs=0.06)
    assert [(mark.x, mark.text) for mark in chart.marks] == [(chart.xs[0], "ED"), (chart.xs[1], "ES")]
    assert chart.lines[1].texts[1] == "phase 2, 250 ms: 40.0 ml"
    assert chart.x_title.endswith("ms")
    assert chart.curve == ""


def test_without_times_phases_are_counted_from_1() -> None:
    chart = volume_chart(VOLUMES, curve_ml=[98.0, 52.0, 75.0])
    assert chart.x_title == "phase"
    assert [tick.text for tick in chart.x_ticks] == ["1", "2", "3"]
    assert chart.lines[0].texts[0] == "phase 1: 100.0 ml"
    assert chart.curve.startswith(f"M{chart.xs[0]:g} ")
    assert chart.curve.count("L") == 2


def test_no_volume_at_all_is_drawn_at_the_bottom() -> None:
    chart = volume_chart({"left_ventricle": [0.0, 0.0]})
    assert [y for _, y in chart.lines[0].points] == [chart.frame[3]] * 2


def test_rows_must_fit() -> None:
    with pytest.raises(GridError, match="lengths"):
        volume_chart(VOLUMES, times_ms=[0.0, 1.0])
    with pytest.raises(GridError, match="2 or more"):
        volume_chart({"left_ventricle": [1.0]})
