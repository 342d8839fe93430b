"""What the columns of a cohort's table are: for readers, and for REDCap, which makes a project's fields of it."""

from __future__ import annotations

from pipeline.write.cohort_columns import COLUMNS, Column
from pipeline.write.tables import table_text

__all__ = ["dictionary_text", "redcap_text"]

_FORM = "cardiac_mr"
_REDCAP = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
"""Columns of REDCap's data dictionary, as it exports and imports it."""


def dictionary_text() -> str:
    """CSV of each column's name, unit, type and definition."""
    rows = [
        {"field": column.name, "unit": column.unit, "type": _type(column), "definition": column.definition}
        for column in COLUMNS
    ]
    return table_text(["field", "unit", "type", "definition"], rows)


def redcap_text() -> str:
    """CSV of the same in the form of REDCap's data dictionary; the case's name is the record's."""
    return table_text(_REDCAP, [dict.fromkeys(_REDCAP, "") | _redcap(column) for column in COLUMNS])


def _type(column: Column) -> str:
    if isinstance(column.kind, tuple):
        return "one of " + ", ".join(column.kind)
    return {"yes_no": "1 for yes, 0 for no"}.get(column.kind, column.kind)


def _redcap(column: Column) -> dict[str, str]:
    field = {
        "Variable / Field Name": column.name,
        "Form Name": _FORM,
        "Field Type": "text",
        "Field Label": column.definition,
        "Field Note": column.unit,
        "Identifier?": "y" if column.identifies else "",
    }
    if isinstance(column.kind, tuple):
        return field | {
            "Field Type": "radio",
            "Choices, Calculations, OR Slider Labels": " | ".join(f"{word}, {word}" for word in column.kind),
        }
    special = {
        "yes_no": {"Field Type": "yesno"},
        "number": {"Text Validation Type OR Show Slider Number": "number"},
        "integer": {"Text Validation Type OR Show Slider Number": "integer"},
    }
    return field | special.get(column.kind, {})
