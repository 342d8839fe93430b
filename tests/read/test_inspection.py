"""What a study holds, told without segmenting."""

from __future__ import annotations

import json

from pipeline.app.inspection import to_json, to_text
from pipeline.read.cine import SeriesOptions
from pipeline.read.discover import find_cases
from pipeline.read.inspection import inspect_case


def _mixed(study) -> None:
    """A cine, its phase map, a perfusion in its plane, a long-axis view and a localiser."""
    study.cine(8, 6, SeriesNumber=2, SeriesDescription="cine SA")
    study.cine(8, 6, SeriesInstanceUID="1.2.3.2", SeriesNumber=3, ImageType=["ORIGINAL", "PRIMARY", "P"])
    study.cine(30, 3, SeriesInstanceUID="1.2.3.3", SeriesNumber=4, TriggerTime=lambda t: 800.0 * t)
    study.cine(
        8, 1, SeriesInstanceUID="1.2.3.4", SeriesNumber=5, ImageOrientationPatient=[0.6, -0.8, 0.0, 0.0, 0.0, -1.0]
    )
    study.cine(1, 6, SeriesInstanceUID="1.2.3.5", SeriesNumber=6, EchoTime=4.0)
    study.image(0, 0, SeriesInstanceUID="1.2.3.6", SeriesNumber=1, ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    study.cine(
        8, 6, SeriesInstanceUID="1.2.3.7", SeriesNumber=7, InversionTime=lambda t: 100.0 + 80.0 * t, EchoTime=2.0
    )


def test_every_series_is_named_and_one_is_read(study):
    _mixed(study)
    (case,) = find_cases(study.folder)
    found = inspect_case(case)
    assert {stack.numbers: stack.taken_for for stack in found.stacks} == {
        (2,): "short-axis cine",
        (3,): "phase pictures",
        (4,): "dynamic series, as perfusion",
        (5,): "single moving slices",
        (6,): "static stack",
        (1,): "localiser or single pictures",
        (7,): "map or several echoes",
    }
    assert [stack.numbers for stack in found.stacks if stack.is_read] == [(2,)]
    assert found.stacks[0].numbers == (2,)
    assert found.stacks[0].points == sum(points for points, _ in found.stacks[0].evidence)
    assert found.cine is not None
    assert (found.cine["n_phases"], found.cine["n_slices"], found.refusal) == (8, 6, None)


def test_a_refusal_is_told_and_the_series_are_listed_all_the_same(study):
    study.cine(8, 2)
    (case,) = find_cases(study.folder)
    found = inspect_case(case)
    assert found.cine is None
    assert "at least 3 parallel slices" in found.refusal
    assert [stack.taken_for for stack in found.stacks] == ["single moving slices"]
    named = inspect_case(case, options=SeriesOptions(series_uid="1.2.3.1"))
    assert named.refusal is None
    assert named.cine["n_slices"] == 2


def test_text_and_json_tell_the_same(study):
    _mixed(study)
    (case,) = find_cases(study.folder)
    found = inspect_case(case)
    text = to_text(found)
    assert '* series 2 "cine SA": 6 slice(s) x 8 phase(s): short-axis cine' in text
    assert "would segment: 6 slices x 8 phases of 4 x 5 pixels, 1.50 x 2.00 x 8.00 mm, times 5 to 705 ms" in text
    read = json.loads(to_json(found))
    assert [stack["taken_for"] for stack in read["stacks"]] == [stack.taken_for for stack in found.stacks]
    for note in found.notes:
        assert f"note: {note}" in text
