"""The report of one study as a PDF for archives and viewers that show neither HTML nor structured reports.

It has the numbers, the verdict with its reasons and a picture of the outlines, and says on each page that it is not for
diagnosis. The same case gives the same bytes, and neither the case's folder nor a date is in it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle
from reportlab.platypus.doctemplate import LayoutError

from pipeline.core.case import Case
from pipeline.core.certainty import Interval
from pipeline.core.errors import InputError
from pipeline.core.measurements import DISCLAIMER, Measurements
from pipeline.core.pose import AS_STORED
from pipeline.core.quantities import QUANTITIES
from pipeline.write.pages import findings
from pipeline.write.pages.heading import head_groups
from pipeline.write.pages.pdf_pictures import SliceTable

__all__ = ["pdf_report"]

_FONT, _BOLD = "DejaVuSans", "DejaVuSans-Bold"
_TEXT = ParagraphStyle("text", fontName=_FONT, fontSize=8, leading=10.5)
_STRONG = ParagraphStyle("strong", _TEXT, fontName=_BOLD)
_HEADING = ParagraphStyle("heading", _STRONG, fontSize=10, leading=13, spaceBefore=7, spaceAfter=2)
_TITLE = ParagraphStyle("title", _STRONG, fontSize=15, leading=19)
_MARGIN = 16 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_RULED = TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.3, colors.lightgrey), ("VALIGN", (0, 0), (-1, -1), "TOP")])
_DASH = "–"  # noqa: RUF001 it stands for a value that is not known


def pdf_report(case: Case, *, identity: Mapping[str, str] | None = None, notes: Sequence[str] | None = None) -> bytes:
    """Draw the report of a case as a PDF in A4.

    Args:
        case: the case.
        identity: the patient's data to print, see `pages.report`; nobody is named without it.
        notes: to print instead of the measurements' own, as where these name files.

    Returns:
        The file's content. Letters that DejaVu Sans lacks, as Chinese ones, show as boxes.

    Raises:
        InputError: a text is too long for a page.
    """
    _load_fonts()
    told = case.measurements.notes if notes is None else notes
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        margin=0,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title="Cardiac measurements. Not for diagnosis.",
        author="cardiac-mr-pipeline",
        invariant=1,  # no date, and names that do not change
    )
    try:
        document.build(list(_story(case, identity or {}, told)), onFirstPage=_frame_page, onLaterPages=_frame_page)
    except LayoutError as error:
        raise InputError("the texts of a report must fit its pages, one of these is too long") from error
    return buffer.getvalue()


def _load_fonts() -> None:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in (_FONT, _BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


def _frame_page(canvas: Any, document: Any) -> None:
    canvas.setFont(_BOLD, 8)
    canvas.drawString(_MARGIN, A4[1] - 10 * mm, "NOT FOR DIAGNOSIS")
    canvas.drawRightString(A4[0] - _MARGIN, 8 * mm, f"page {document.page}")


def _story(case: Case, identity: Mapping[str, str], notes: Sequence[str]) -> Iterator[Flowable]:
    measured = case.measurements
    yield Paragraph("Cardiac measurements", _TITLE)
    yield Paragraph(escape(DISCLAIMER), _STRONG)
    for title, rows in head_groups(case, identity):
        yield Paragraph(title, _HEADING)
        yield _table([[term, text] for term, text in rows], (35 * mm, _WIDTH - 35 * mm))
    yield Paragraph(f"Quality checks: {findings.verdict(measured)}", _HEADING)
    for flag in findings.flags(measured):
        yield Paragraph(escape(_clean(f"{flag.severity}: {flag.message} {flag.place}")), _TEXT)
    yield from _numbers(measured)
    yield Spacer(1, 3 * mm)
    yield _picture(case)
    yield from _references(measured)
    yield from _sentences("Notes", notes)
    yield from _sentences("Conventions", measured.conventions)
    yield from _made_by(case)


def _numbers(measured: Measurements) -> Iterator[Flowable]:
    rows = findings.number_rows(measured)
    yield Paragraph("Volumes and function", _HEADING)
    if not rows:
        yield _table([[name, f"{volumes[0]:.1f} ml"] for name, volumes in measured.volumes_ml.items()], (60 * mm,) * 2)
        return
    head = ["", "left ventricle", "right ventricle", "left, per m²", "right, per m²"]
    body = [
        [
            row.name,
            _with_interval(row.left, row.left_interval, row),
            _with_interval(row.right, row.right_interval, row),
            *_indexed(row),
        ]
        for row in [*rows, *findings.blood_rows(measured)]
    ]
    widths = (44 * mm, *(46 * mm,) * 2, *((_WIDTH - 136 * mm) / 2,) * 2)
    yield _table([head, *body], widths, strong_head=True)
    if sentence := findings.papillary_sentence(measured):
        yield Spacer(1, 2 * mm)
        yield Paragraph(sentence, _TEXT)
    if measured.intervals and measured.certainty:
        yield Spacer(1, 2 * mm)
        share = f"{100 * measured.certainty.level:.0f} of 100 patients like those of the calibration"
        yield Paragraph(f"In brackets: where an expert's number would lie in {share}.", _TEXT)
    yield from _confidences(measured)


def _with_interval(value: float | None, interval: Interval | None, row: findings.NumberRow) -> str:
    told = _number(value, row.digits, row.unit)
    return told if interval is None else f"{told} ({' to '.join(_number(end, row.digits) for end in interval)})"


def _indexed(row: findings.NumberRow) -> list[str]:
    return [_number(value, row.digits + 1, row.unit) for value in (row.left_indexed, row.right_indexed)]


def _confidences(measured: Measurements) -> Iterator[Flowable]:
    rows = findings.confidences(measured)
    if rows:
        told = "; ".join(f"{row.structure.replace('_', ' ')} {', '.join(_share(v) for v in row.at)}" for row in rows)
        yield Spacer(1, 2 * mm)
        limits = "calibrated" if measured.certainty else "not calibrated, and too high"
        yield Paragraph(escape(f"Expected Dice at the phases shown ({limits}): {told}."), _TEXT)


def _picture(case: Case) -> Flowable:
    """Slices at ED and ES with their outlines."""
    measured = case.measurements
    pose = measured.pose.pose if measured.pose else AS_STORED
    width, height = case.cine.grid.spacing_mm[:2]
    return SliceTable(
        pose.apply(case.cine.array),
        pose.apply(case.counted_labels),
        phases=findings.phase_marks(measured) or {"phase 1": 0},
        pixel_mm=(height, width) if pose.transpose else (width, height),
        font=_FONT,
    )


def _references(measured: Measurements) -> Iterator[Flowable]:
    compared = () if measured.references is None else measured.references.compared
    if not compared:
        return
    yield Paragraph("Beside reference values", _HEADING)
    rows = [["", "measured", "reference range", "", "source"]]
    for row in compared:
        shown = QUANTITIES[row.quantity]
        limits = f"{_number(row.lower, shown.digits)} to {_number(row.upper, shown.digits, shown.unit)}"
        value = _number(row.value, shown.digits, shown.unit)
        rows.append([shown.words, value, limits, row.position, row.source])
    yield _table(rows, (48 * mm, 22 * mm, 36 * mm, 16 * mm, _WIDTH - 122 * mm), strong_head=True)


def _sentences(title: str, sentences: Sequence[str]) -> Iterator[Flowable]:
    if sentences:
        yield Paragraph(title, _HEADING)
        yield from (Paragraph(escape(_clean(sentence)), _TEXT) for sentence in sentences)


def _made_by(case: Case) -> Iterator[Flowable]:
    made_by = case.provenance.to_json()
    rows = [[name, text] for key in ("bundle", "software") for name, text in findings.flatten(made_by[key])]
    yield Paragraph("Made by", _HEADING)
    yield _table(rows, (45 * mm, _WIDTH - 45 * mm))


def _table(rows: Sequence[Sequence[str]], widths: Sequence[float], *, strong_head: bool = False) -> Flowable:
    """A table whose texts wrap, and which breaks between pages."""
    if not rows:
        return Spacer(1, 0)
    cells = [
        [Paragraph(escape(_clean(text)), _STRONG if strong_head and not n else _TEXT) for text in row]
        for n, row in enumerate(rows)
    ]
    return Table(cells, colWidths=list(widths), style=_RULED, repeatRows=int(strong_head), hAlign="LEFT")


def _number(value: float | None, digits: int, unit: str = "") -> str:
    """A number as it is shown.

    >>> _number(61.25, 1, "ml"), _number(None, 1) == _DASH
    ('61.2 ml', True)
    """
    return _DASH if value is None else f"{value:.{digits}f} {unit}".strip()


def _share(value: float | None) -> str:
    return _DASH if value is None else f"{value:.2f}"


def _clean(text: str) -> str:
    """Text that can be drawn: what is no letter is a space."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
