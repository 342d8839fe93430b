import math

import pytest

from pipeline.write.pages.bullseye import SIZE, THICKENING, THICKNESS, Shades, sectors


def rows(**changes: float | None) -> list[dict[str, object]]:
    values = {f"s{n}": float(n) for n in range(1, 18)} | changes
    return [{"segment": n, "name": f"wall {n}", "ed_mm": values[f"s{n}"]} for n in range(1, 18)]


def test_anterior_is_on_top_and_the_septum_on_the_left() -> None:
    drawn = {sector.segment: sector for sector in sectors(rows(), "ed_mm", THICKNESS, unit="mm")}
    middle = SIZE / 2
    assert list(drawn) == list(range(1, 18))
    for top in (1, 7, 13):
        assert drawn[top].x == pytest.approx(middle)
        assert drawn[top].y < middle
    for left in (2, 3, 8, 9, 14):
        assert drawn[left].x < middle
    for right in (5, 6, 11, 12, 16):
        assert drawn[right].x > middle
    for below in (4, 10, 15):
        assert drawn[below].y > middle
    assert drawn[2].y < middle < drawn[3].y  # anteroseptal above inferoseptal
    assert (drawn[17].x, drawn[17].y) == (middle, middle)
    radius = {n: math.hypot(drawn[n].x - middle, drawn[n].y - middle) for n in drawn}
    assert radius[1] > radius[7] > radius[13] > radius[17]


def test_what_was_not_measured_has_neither_colour_nor_figure() -> None:
    drawn = sectors([*rows(s17=None)][1:], "ed_mm", THICKNESS, unit="mm")
    assert (drawn[16].colour, drawn[16].text) == ("", "")
    assert drawn[16].title == "segment 17, wall 17: not measured"
    assert drawn[0].title == "segment 1: not measured"
    assert (drawn[1].text, drawn[1].title) == ("2.0", "segment 2, wall 2: 2.0 mm")
    assert len(sectors([], "ed_mm", THICKNESS, unit="mm")) == 17


def test_colours_are_mixed_between_their_neighbours_and_held_at_the_ends() -> None:
    shades = Shades(-10.0, 10.0, ((255, 0, 0), (255, 255, 255), (0, 0, 255)), 0)
    colours = [shades.colour(value) for value in (-99.0, -5.0, 0.0, 5.0, 10.0, 99.0)]
    assert colours == ["#ff0000", "#ff8080", "#ffffff", "#8080ff", "#0000ff", "#0000ff"]


def test_a_thickening_of_nothing_has_no_sign() -> None:
    row = [{"segment": 1, "name": "a", "thickening_percent": -0.2}]
    assert sectors(row, "thickening_percent", THICKENING, unit="%")[0].text == "0"
