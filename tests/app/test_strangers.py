"""Studies of strangers: no text of a header reaches what is written unless asked for, and none acts as code."""

from __future__ import annotations

import gzip
import logging
from html.parser import HTMLParser
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.tag import Tag
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import make_cine

MARK = "Qzx7Marker"
_TEXT = {"PN": 64, "LO": 64, "SH": 16, "LT": 200, "ST": 200, "UT": 200, "UC": 200}
"""Representations of free text, and how long a text may be."""
_NO_IDENTITY = {"Manufacturer", "ManufacturerModelName"}
"""Reports and objects state the scanner."""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    phantom = make_cine(make_patient(11), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    folder = tmp_path / "input" / "study"
    write_study(phantom, folder, extras=False)
    return folder


def mark(folder: Path, text: str) -> None:
    """Put a text into every element of free text that DICOM has for an image's header, and into a private one."""
    keywords = [
        (entry[0], keyword_for_tag(Tag(tag)))
        for tag, entry in DicomDictionary.items()
        if entry[0] in _TEXT and tag >> 16 in (0x0008, 0x0010, 0x0018, 0x0032, 0x0038, 0x0040) and not entry[3]
    ]
    for path in sorted(folder.iterdir()):
        header = pydicom.dcmread(path)
        for representation, keyword in keywords:
            if keyword and (keyword not in _NO_IDENTITY or text != MARK):
                setattr(header, keyword, text[: _TEXT[representation]])
        header.SpecificCharacterSet = "ISO_IR 192"
        header.PatientBirthDate = "19010203"
        block = header.private_block(0x0019, text[:60], create=True)
        block.add_new(0x10, "LO", text[:60])
        header.save_as(path)


def written(root: Path) -> dict[Path, bytes]:
    """Content of every file, unpacked."""
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in files}


def with_mark(root: Path) -> set[str]:
    """Names of the files that hold the mark, in bytes or in 16 bits a character, or in their own names."""
    forms = [MARK.encode(), MARK.encode("utf-16-le"), b"19010203", b"1901-02-03"]
    return {
        path.name
        for path, content in written(root).items()
        if MARK in str(path.relative_to(root)) or any(form in content for form in forms)
    }


def segment(*arguments: object) -> str:
    """Run `cmr segment`, and give all that it prints."""
    result = CliRunner().invoke(cli.app, ["segment", *map(str, arguments)])
    assert result.exit_code in (0, 1), result.output
    return result.output


def test_identity_is_only_in_the_dicom_objects(study: Path, untrained_bundle: Path, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    mark(study, MARK)
    output = segment(study, "-o", tmp_path / "out", "--bundle", untrained_bundle)
    assert {path.suffix for path in written(tmp_path / "out")} >= {".gz", ".json", ".html", ".dcm"}
    assert {Path(name).suffix for name in with_mark(tmp_path / "out")} == {".dcm"}
    assert MARK not in output + caplog.text


def test_under_a_pseudonym_it_is_nowhere(study: Path, untrained_bundle: Path, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    mark(study, MARK)
    output = segment(study, "-o", tmp_path / "out", "--bundle", untrained_bundle, "--pseudonym", "a secret")
    assert with_mark(tmp_path / "out") == set()
    assert MARK not in output + caplog.text


@pytest.mark.parametrize("keep", [2, 11], ids=["too few slices", "a phase missing"])
def test_a_failure_does_not_tell_it(study: Path, untrained_bundle: Path, tmp_path: Path, caplog, keep: int) -> None:
    caplog.set_level(logging.DEBUG)
    mark(study, MARK)
    for path in sorted(study.iterdir())[keep:]:
        path.unlink()
    output = segment(study, "-o", tmp_path / "out", "--bundle", untrained_bundle, "--json")
    assert "error" in output
    assert with_mark(tmp_path / "out") == set()
    assert MARK not in output + caplog.text


def test_inspection_shows_what_it_was_asked_for_and_no_name(study: Path, tmp_path: Path) -> None:
    mark(study, MARK)
    for path in study.iterdir():
        header = pydicom.dcmread(path)
        header.SeriesDescription = "cine sax"  # a description is shown: it tells series apart
        header.ProtocolName = header.SequenceName = ""
        header.save_as(path)
    result = CliRunner().invoke(cli.app, ["inspect", str(study)], catch_exceptions=False)
    assert "cine sax" in result.output
    assert MARK not in result.output


class _Tags(HTMLParser):
    """Collects the elements of a page and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    "text",
    [
        "<script>hit()</script>",
        "\"'><img src=x onerror=hit()>",
        "</title></style></script><b onclick=hit()>",
        "../../../../hit",
        "$(touch hit) `touch hit` ; touch hit",
        "$__import__('os').system('touch hit')",
        "%(name)s {0.__class__} @title",
        "a\u202egnp.exe\u2066",
        "line\nbreak\r\x1b[31m\x00",
        "{{ 7 * 7 }}{% raw %}",
    ],
)
def test_hostile_text_stays_text(study: Path, untrained_bundle: Path, tmp_path: Path, text: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    mark(study, text)
    before = {path for path in tmp_path.rglob("*") if tmp_path / "out" not in path.parents}
    output = segment(study, "-o", tmp_path / "out", "--bundle", untrained_bundle, "--identify")
    after = {path for path in tmp_path.rglob("*") if tmp_path / "out" not in path.parents}
    assert after - before == {tmp_path / "out"}  # nothing beside OUT, in the working folder least of all
    assert not any(character in output for character in "\x1b\x00\u202e\u2066")
    for path, content in written(tmp_path / "out").items():
        if path.suffix == ".html":
            page = content.decode()
            assert not any(character in page for character in "\x1b\x00\u202e\u2066"), path
            for tag, attributes in _Tags(page).tags:
                assert not any(name.startswith("on") for name in attributes), (path, tag, attributes)
                source = attributes.get("src") or "data:"
                assert source.startswith("data:") or source == "study/thumbnail.jpg", (path, tag, attributes)
            assert "hit()</script>" not in page
