import csv
from pathlib import Path

from pipeline.write.tables import write_table


def test_rows_come_back_with_every_digit_and_empty_fields(tmp_path: Path) -> None:
    rows = [{"name": "a,b", "value": 0.1 + 0.2}, {"name": "c", "value": None}]
    path = write_table(tmp_path / "new" / "table.csv", rows)
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["name"] for row in found] == ["a,b", "c"]
    assert float(found[0]["value"]) == 0.1 + 0.2
    assert found[1]["value"] == ""
