import pytest

from pipeline.write.pages.range_bars import WIDTH, range_bar


@pytest.mark.parametrize(
    ("value", "lower", "upper", "x", "beyond", "outside"),
    [
        (10.0, 10.0, 20.0, 36.0, 0, False),  # the limits are within
        (20.0, 10.0, 20.0, 84.0, 0, False),
        (22.5, 10.0, 20.0, 96.0, 0, True),
        (7.5, 10.0, 20.0, 24.0, 0, True),
        (-500.0, 10.0, 20.0, 4.0, -1, True),
        (-3.0, -6.0, 6.0, 48.0, 0, False),
        (30.0, None, 60.0, 60.0, 0, False),
        (90.0, 60.0, None, 60.0, 0, False),
        (30.0, 60.0, None, 12.0, 0, True),
        (500.0, 60.0, None, 116.0, 1, False),
    ],
)
def test_a_value_is_placed_against_its_range(
    value: float, lower: float | None, upper: float | None, x: float, beyond: int, outside: bool
) -> None:
    bar = range_bar(value, lower, upper)
    assert bar is not None
    assert (bar.x, bar.beyond, bar.outside) == (x, beyond, outside)
    assert (bar.left == 0) == (lower is None)
    assert (bar.right == WIDTH) == (upper is None)


@pytest.mark.parametrize(("lower", "upper"), [(5.0, 5.0), (None, None), (None, -1.0), (-1.0, None)])
def test_a_range_without_width_has_no_bar(lower: float | None, upper: float | None) -> None:
    assert range_bar(1.0, lower, upper) is None
