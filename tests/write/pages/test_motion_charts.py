from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.measurements import Measurements
from pipeline.core.wall import Curve, Motion, SegmentMotion
from pipeline.write.pages.comparisons import comparisons
from pipeline.write.pages.motion_charts import motion_panels

NOTHING = Curve((None,) * 5)


def segment(number: int, name: str, values: tuple[float | None, ...]) -> SegmentMotion:
    return SegmentMotion(number, name, Curve(values, peak=8.0), NOTHING, NOTHING)


def test_curves_lie_in_their_third_with_gaps_where_nothing_was_measured() -> None:
    motion = Motion(
        segments=(
            segment(1, "basal anterior", (0.0, 4.0, None, 8.0, 0.0)),
            segment(7, "mid anterior", (0.0, 1.0, 2.0, 1.0, 0.0)),
            segment(17, "apex", (None, None, None, 1.0, None)),  # one point is no curve
        ),
        strain_percent={},
    )
    (row,) = motion_panels(motion, times_ms=(0.0, 100.0, 200.0, 300.0, 400.0), marks={"ES": 3})
    assert [panel.title.split(", mm: ") for panel in row] == [
        ["Inward displacement", third] for third in ("basal", "mid", "apical")
    ]
    basal, mid, apical = row
    (line,) = basal.lines
    assert (line.wall, line.title) == ("anterior", "segment 1, basal anterior: peak 8.0 mm")
    left, right, top, bottom = basal.frame
    step = (right - left) / 4
    assert line.path == (
        f"M{left} {bottom}L{left + step:g} {(top + bottom) / 2:g}M{left + 3 * step:g} {top}L{right} {bottom}"
    )
    assert basal.y_ticks == mid.y_ticks  # one scale, or the thirds could not be compared
    assert [tick.text for tick in basal.y_ticks] == ["0", "2", "4", "6", "8"]
    assert (basal.zero, basal.marks[0].x) == (bottom, left + 3 * step)
    assert apical.lines == ()


def test_negative_values_lie_below_zero() -> None:
    motion = Motion(segments=(segment(1, "basal anterior", (0.0, -10.0, 20.0, 0.0, 0.0)),), strain_percent={})
    ((panel, *_),) = motion_panels(motion)
    heights = [float(point.split(" ")[1]) for point in panel.lines[0].path[1:].split("L")]
    assert heights[1] > panel.zero == heights[0] > heights[2]


def test_a_measured_beat_has_panels_and_peaks(measured: dict[str, Any]) -> None:
    found = Measurements.from_json(measured)
    shown = comparisons(found)["motion"]
    assert len(shown["panels"]) == 3
    assert [len(panel.lines) for panel in shown["panels"][0][:2]] == [6, 6]
    assert shown["walls"][:2] == ["anterior", "anteroseptal"]
    peak = found.motion.segments[0].displacement_mm.peak
    assert shown["plots"][0]["sectors"][0].text == f"{peak:.1f}"
    assert len(shown["plots"]) == 3


@pytest.mark.parametrize("segments", [(), (SegmentMotion(1, "basal anterior", NOTHING, NOTHING, NOTHING),)])
def test_nothing_measured_gives_no_panel_and_no_plot(measured: dict[str, Any], segments: tuple[Any, ...]) -> None:
    found = Measurements.from_json(measured)
    motion = replace(found.motion, segments=segments)
    assert motion_panels(motion) == []
    assert comparisons(replace(found, motion=motion))["motion"]["plots"] == []
