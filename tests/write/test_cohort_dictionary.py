"""The dictionaries name every column, in forms that readers and REDCap take."""

from __future__ import annotations

import csv
import io
import re

from pipeline.write.cohort_columns import COLUMNS
from pipeline.write.cohort_dictionary import dictionary_text, redcap_text


def test_every_column_is_defined_once() -> None:
    rows = list(csv.DictReader(io.StringIO(dictionary_text())))
    assert [row["field"] for row in rows] == [column.name for column in COLUMNS]
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)
    assert all(row["definition"] and row["type"] for row in rows)
    by_name = {row["field"]: row for row in rows}
    assert (by_name["lv_edv_ml"]["unit"], by_name["lv_edv_ml"]["type"]) == ("ml", "number")
    assert by_name["sex"]["type"] == "one of F, M"


def test_a_column_named_by_its_unit_states_it() -> None:
    units = {"ml": "ml", "ml_per_m2": "ml/m2", "percent": "%", "mm": "mm", "l_per_min": "l/min", "g": "g", "cm": "cm"}
    for column in COLUMNS:
        for ending, unit in units.items():
            if column.name.endswith(f"_{ending}") and not column.name.endswith(f"_l_per_min_{ending}"):
                assert column.unit == unit, column.name


def test_redcap_s_rules_are_kept() -> None:
    """Of REDCap's data dictionary: its 18 columns, names of variables, types, choices as `code, label | ...`."""
    rows = list(csv.reader(io.StringIO(redcap_text())))
    assert len(rows[0]) == 18
    assert rows[0][:4] == ["Variable / Field Name", "Form Name", "Section Header", "Field Type"]
    for row in rows[1:]:
        field = dict(zip(rows[0], row, strict=True))
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,99}", field["Variable / Field Name"])
        assert "__" not in field["Variable / Field Name"]
        assert field["Field Type"] in ("text", "radio", "yesno")
        assert field["Text Validation Type OR Show Slider Number"] in ("", "number", "integer")
        choices = field["Choices, Calculations, OR Slider Labels"]
        assert bool(choices) == (field["Field Type"] == "radio")
        assert all(re.fullmatch(r"\w+, \w+", choice) for choice in choices.split(" | ") if choices)
    assert {row[0] for row in rows[1:] if row[10] == "y"} == {"identity", "source_path"}
