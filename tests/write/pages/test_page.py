from pathlib import Path

import pytest
from jinja2 import UndefinedError

from pipeline.write.pages.page import write_page

CONTENT = {
    "title": "<script>x</script>",
    "n_volumes": 2,
    "n_patients": 1,
    "summary": [
        {
            "structure": "left_ventricle",
            "phase": "all",
            "n": 2,
            "dice": 0.91234,
            "interval": [0.9, float("nan")],
            "dice_median": None,
            "iou": 0.8,
            "hd95_mm": 3.0,
            "hd95_median_mm": 2.0,
            "assd_mm": 1.0,
        }
    ],
    "dice_plot": b"\x89PNG",
    "agreement": [],
    "agreement_plots": [],
    "structures": ["left_ventricle"],
    "examples": [{"name": "best: p1 ED", "png": b"\x89PNG"}],
    "worst": [{"patient": "p1", "volume": "ED", "dice": [0.5], "mean": 0.5}],
    "conventions": ["mm"],
    "software": "test",
}


def test_a_page_is_whole_and_escapes_what_is_put_in(tmp_path: Path) -> None:
    text = write_page(tmp_path / "new" / "page.html", "evaluation.html", CONTENT).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "data:image/png;base64,iVBORw==" in text
    assert "http://" not in text
    assert "https://" not in text
    assert "0.912" in text
    assert "left ventricle" in text
    assert text.count("n/a") == 2
    assert "Not for diagnosis" in text
    assert "Volumes and function" not in text


def test_a_missing_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        write_page(tmp_path / "page.html", "evaluation.html", {key: CONTENT[key] for key in CONTENT if key != "worst"})
