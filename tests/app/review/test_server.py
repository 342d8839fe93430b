"""A reader's work, from the worklist to the saved result."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import numpy as np
import pytest
from highdicom.sr import srread
from starlette.testclient import TestClient

import pipeline.measure
from pipeline.app.correct import report_again
from pipeline.app.review.desk import Desk
from pipeline.app.review.guard import Keys
from pipeline.app.review.server import make_app
from pipeline.app.review.session import Verdict
from pipeline.core.errors import InputError
from pipeline.core.pose import Pose
from pipeline.phantom.study import PhantomStudy
from pipeline.read.cine import read_cine
from pipeline.read.dicom.segmentation import read_segmentation

CASE = "/api/cases/study"
POSE = Pose(True, True, False)
SCHEMA = json.loads((Path(pipeline.measure.__file__).parent / "schemas" / "measurements.schema.json").read_text())


def on_grid(rows: np.ndarray) -> np.ndarray:
    """(T, Z, ROWS, COLS) as (T, X, Y, Z), by the definition of the pose: X and Y exchanged, then the new X flipped."""
    return rows.transpose(0, 3, 2, 1)[:, ::-1].transpose(0, 2, 1, 3)


def record_of(out: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((out / "study" / "measurements.json").read_text())
    jsonschema.validate(record, SCHEMA)
    return record


def test_the_worklist_has_the_numbers_and_who_is_there(client: TestClient, page, out: Path) -> None:
    (case,) = client.get("/api/worklist").json()["cases"]
    record = record_of(out)
    assert (case["name"], case["status"], case["draft"], case["holder"]) == ("study", "unreviewed", False, "Dr One")
    assert case["ef_percent"] == record["left_ventricle"]["ef_percent"]
    assert case["rv_ef_percent"] == record["right_ventricle"]["ef_percent"]
    (out / "broken").mkdir()
    (out / "broken" / "measurements.json").write_text("{")
    cases = client.get("/api/worklist").json()["cases"]
    assert [(one["name"], one["status"]) for one in cases] == [("broken", "failed"), ("study", "unreviewed")]


def test_names_of_all_kinds_are_listed_and_opened(client: TestClient, out: Path) -> None:
    name = "sub 01#100% ü?&<b>"
    (out / "study").rename(out / name)
    (out / os.fsdecode(b"bad\xff")).mkdir()
    (out / os.fsdecode(b"bad\xff") / "measurements.json").write_text("{}")
    cases = client.get("/api/worklist").json()["cases"]
    assert [(one["name"], one["status"]) for one in cases] == [("bad?", "failed"), (name, "unreviewed")]
    assert client.get(f"/api/cases/{quote(name)}").json()["name"] == name


def test_the_page_and_its_files_are_served(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens: list[str] = []

    def get(place: str) -> Any:
        app = make_app(Desk(out), Keys(8000, tokens.append))
        client = TestClient(app, base_url="http://localhost")
        client.get("/", params={"token": tokens[-1]}, follow_redirects=False)
        return client.get(place)

    monkeypatch.setattr("pipeline.app.review.server.STATIC", tmp_path / "static")
    assert (get("/").status_code, get("/static/a.js").status_code) == (404, 404)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "index.html").write_text("the page")
    (tmp_path / "static" / "a.js").write_text("1")
    assert get("/").text == "the page"
    assert get("/static/a.js").headers["content-type"].startswith("text/javascript")


def test_arrays_are_in_display_order(page, study: PhantomStudy, written: Path) -> None:
    np.testing.assert_array_equal(on_grid(page.labels()), study.label.array)
    shape = page.get().json()["shape"]
    image = np.frombuffer(page.get("/image").content, "<u2").reshape(shape)
    cine = read_cine(written.parent / "images" / "study")
    np.testing.assert_array_equal(on_grid(image), cine.array)
    assert page.get("/image").headers["content-encoding"] == "gzip"


def test_a_correction_is_measured_saved_and_decodes_to_what_was_drawn(
    page, client: TestClient, study: PhantomStudy, written: Path, out: Path
) -> None:
    ed, before, drawn = record_of(out)["ed_phase"], record_of(out), page.labels()
    drawn[ed, 2, 10:20, 30:40] = 3
    answer = page.draw(ed, 2, drawn[ed, 2]).json()
    drawn[ed, 3, 0:5, 0:5] = 1
    answer = page.draw(ed, 3, drawn[ed, 3]).json()
    ml = study.label.grid.voxel_volume_ml
    for value, name in ((1, "left_ventricle"), (2, "myocardium"), (3, "right_ventricle")):
        sums = (drawn == value).sum(axis=(1, 2, 3)) * ml
        assert answer["record"]["volumes_ml"][name] == pytest.approx(sums.tolist(), abs=5e-4)
    assert (answer["undo"], answer["redo"], answer["record"]["corrected"]) == (2, 0, True)
    assert record_of(out) == before  # a draft is no result

    saved = page.post("save", status="corrected", comment="right ventricle at the base").json()
    record = record_of(out)
    assert record | {"files": None} == saved["record"] | {"files": None}
    assert record["volumes_ml"] == answer["record"]["volumes_ml"]
    assert (record["review"]["status"], record["review"]["reader"]) == ("corrected", "Dr One")
    cine = read_cine(written.parent / "images" / "study")
    for role in ("ed", "es"):
        phase = record[f"{role}_phase"]
        found = read_segmentation(out / "study" / f"seg_{role}.dcm", cine)
        np.testing.assert_array_equal(found[phase], on_grid(drawn)[phase])
    np.testing.assert_array_equal(read_cine(out / "study" / "segmentation.nii.gz").array, on_grid(drawn))
    groups = srread(out / "study" / "sr.dcm").content.get_volumetric_roi_measurement_groups()
    stated = sorted(float(group.get_measurements()[0].value) for group in groups)
    sums = sorted((drawn[record[f"{role}_phase"]] == value).sum() * ml for role in ("ed", "es") for value in (1, 2, 3))
    assert stated == pytest.approx(sums, abs=5e-4)
    assert "Dr One" in (out / "study" / "report.html").read_text()
    assert "study/report.html" in (out / "index.html").read_text()
    (kept,) = (out / "study" / "history").iterdir()
    assert json.loads((kept / "measurements.json").read_text()) == before
    assert {"segmentation.nii.gz", "seg_ed.dcm", "sr.dcm", "report.html"} <= {path.name for path in kept.iterdir()}
    np.testing.assert_array_equal(read_cine(kept / "segmentation.nii.gz").array, study.label.array)
    assert client.get("/api/worklist").json()["cases"][0]["status"] == "corrected"
    (entry,) = page.get("/audit").json()["entries"]
    assert (entry["reader"], entry["what"], entry["phases"], entry["slices"]) == ("Dr One", "corrected", [ed], [2, 3])
    assert entry["voxels_changed"] == (on_grid(drawn) != study.label.array).sum()
    assert entry["before"]["edv_ml"] == before["left_ventricle"]["edv_ml"]
    assert entry["after"]["rv_edv_ml"] == record["right_ventricle"]["edv_ml"]
    again = report_again(out / "study")  # the same by `cmr report`
    assert json.loads(json.dumps(again.to_json())) == {key: value for key, value in record.items() if key != "files"}


def test_steps_are_undone_and_redone(page, study: PhantomStudy) -> None:
    first = page.labels()
    second = first.copy()
    second[1, 2, :4, :7] = 2
    drawn = page.draw(1, 2, second[1, 2]).json()
    page.post("choices", ed=2, es=4, excluded_slices=[0])
    undone = page.post("undo").json()
    assert undone["choices"] == {"ed": None, "es": None, "excluded_slices": []}
    assert undone["record"] == drawn["record"]
    undone = page.post("undo").json()
    (change,) = undone["changes"]
    shown = np.frombuffer(base64.b64decode(change["labels"]), np.uint8).reshape(first.shape[2:])
    np.testing.assert_array_equal(shown, first[1, 2])
    np.testing.assert_array_equal(page.labels(), first)
    assert (undone["undo"], undone["redo"]) == (0, 2)
    assert page.post("undo").status_code == 422
    page.post("redo")
    np.testing.assert_array_equal(page.labels(), second)
    assert page.post("redo").json()["choices"]["ed"] == 2
    assert page.post("redo").status_code == 422


def test_choices_are_measured_saved_and_kept(page, study: PhantomStudy, out: Path) -> None:
    chosen = page.post("choices", ed=1, es=3, excluded_slices=[0, 5]).json()
    counted = study.label.array.copy()
    counted[..., [0, 5]] = 0
    sums = (counted == 1).sum(axis=(1, 2, 3)) * study.label.grid.voxel_volume_ml
    assert chosen["record"]["volumes_ml"]["left_ventricle"] == pytest.approx(sums.tolist(), abs=5e-4)
    assert chosen["record"]["left_ventricle"]["edv_ml"] == pytest.approx(sums[1], abs=5e-4)
    page.post("save", status="accepted", comment="")
    record = record_of(out)
    assert (record["choices"]["ed"], record["choices"]["es"], record["ed_from"]) == (1, 3, "given")
    assert (record["review"]["excluded_slices"], record["review"]["checked_phases"]) == ([0, 5], [1, 3])
    assert record["corrected"] is False
    report_again(out / "study")
    assert record_of(out) | {"files": None} == record | {"files": None}  # objects have new UIDs
    for wrong in ({"ed": 6}, {"ed": 2, "es": 2}, {"excluded_slices": [6]}, {"ed": "1"}, {"ed": -1}, {"ed": True}):
        assert page.post("choices", **wrong).status_code == 422, wrong
    assert page.post("choices", ed=None, es=None, excluded_slices=[]).json()["record"]["ed_from"] == "curve"


def test_a_draft_that_cannot_be_measured_is_kept_all_the_same(page) -> None:
    es = page.get().json()["record"]["es_phase"]
    assert page.post("choices", ed=es, es=None).status_code == 422
    ed = (es + 1) % 6
    page.post("choices", ed=ed, es=None, excluded_slices=[])
    labels = page.labels()
    labels[[ed, es]] = labels[[es, ed]]  # now the smallest cavity is at the given ED
    changes = [
        {"phase": phase, "slice": z, "labels": base64.b64encode(labels[phase, z].tobytes()).decode()}
        for phase in (ed, es)
        for z in range(labels.shape[1])
    ]
    answer = page.post("strokes", changes=changes).json()
    assert answer["record"] is None
    assert "two phases" in answer["problem"]
    np.testing.assert_array_equal(page.labels(), labels)
    assert page.post("save", status="corrected").status_code == 422
    assert page.post("choices", ed=None, es=None).json()["record"]["es_phase"] == ed


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([], "list of slices"),
        ("x", "list of slices"),
        ([1], "list of slices"),
        ([{"phase": 6, "slice": 0, "labels": ""}], "`phase`"),
        ([{"phase": 0, "slice": -1, "labels": ""}], "`slice`"),
        ([{"phase": True, "slice": 0, "labels": ""}], "`phase`"),
        ([{"phase": 0, "slice": 0, "labels": "!!!"}], "base64"),
        ([{"phase": 0, "slice": 0, "labels": 7}], "base64"),
        ([{"phase": 0, "slice": 0, "labels": base64.b64encode(bytes(10)).decode()}], "48 x 48 bytes, got 10"),
        ([{"phase": 0, "slice": 0, "labels": base64.b64encode(bytes([4] * 48 * 48)).decode()}], "got [4]"),
        ([{"phase": 0, "slice": 0, "labels": base64.b64encode(bytes([255] * 48 * 48)).decode()}], "got [255]"),
        ([{"phase": 0, "slice": 0, "labels": base64.b64encode(bytes(48 * 48)).decode()}] * 2, "once"),
    ],
)
def test_strokes_that_are_none_are_refused_and_change_nothing(page, out: Path, changes: Any, says: str) -> None:
    before = page.labels()
    answer = page.post("strokes", changes=changes)
    assert answer.status_code == 422
    assert says in answer.json()["error"]
    np.testing.assert_array_equal(page.labels(), before)
    assert not (out / "study" / "review").exists()


def test_only_the_newest_state_is_changed(page) -> None:
    old, labels = page.revision, page.labels()
    labels[0, 0, :9] = 1
    page.draw(0, 0, labels[0, 0])
    for act, body in (("strokes", {"changes": [{}]}), ("undo", {}), ("choices", {}), ("save", {"status": "accepted"})):
        stale = page.post(act, **body, **{"revision": old})
        assert (stale.status_code, stale.json()["revision"]) == (409, page.revision)
    assert page.post("save", status="corrected").status_code == 200
    assert page.post("undo", revision=old + 1).status_code == 409  # of the draft that was saved


def test_of_two_readers_the_second_looks_on(page, make_page: Callable[[str], Any], client: TestClient) -> None:
    second = make_page("Dr%20Zwei%20%C3%BC")
    told = second.open()
    assert (told["holder"], told["reads_only"]) == ("Dr One", True)
    labels = second.labels()
    refused = second.draw(0, 0, np.ones_like(labels[0, 0]))
    assert (refused.status_code, refused.json()["holder"]) == (423, "Dr One")
    for act, body in (("save", {"status": "accepted"}), ("discard", {}), ("undo", {}), ("choices", {})):
        assert second.post(act, **body).status_code == 423
    assert second.client.post(f"{CASE}/open", json={"take": True}).json()["reads_only"] is True
    labels[0, 0, :3] = 1
    assert page.draw(0, 0, labels[0, 0]).status_code == 200
    page.post("close")
    assert second.post("renew").json()["reads_only"] is False
    second.revision = second.get().json()["revision"]
    np.testing.assert_array_equal(second.labels(), labels)  # goes on where the first has stopped
    assert second.post("save", status="accepted").status_code == 200
    (entry,) = second.get("/audit").json()["entries"]
    assert (entry["reader"], entry["drawn_by"]) == ("Dr Zwei ü", ["Dr One"])
    page.open()
    assert page.post("save", status="accepted").status_code == 423


def test_the_same_reader_goes_on_after_a_reload(page, make_page: Callable[[str], Any]) -> None:
    again = page.client.post(f"{CASE}/open", json={"session": page.session}).json()
    assert (again["holder"], again["session"], again["reads_only"]) == (None, page.session, False)
    other_tab = make_page("Dr%20One")
    assert other_tab.open()["holder"] == "Dr One"
    taken = other_tab.client.post(f"{CASE}/open", json={"session": other_tab.session, "take": True}).json()
    assert taken["reads_only"] is False
    assert page.post("undo").status_code == 423


def test_a_reader_without_a_name_changes_nothing(page) -> None:
    for name in ("", "%20", "%00", "a%1b[31m", "x" * 200):
        answer = page.client.post(f"{CASE}/open", json={}, headers={"X-CMR-Reader": name})
        assert answer.status_code == 422, name


def test_a_discarded_draft_is_gone_and_the_trail_says_so(page, out: Path) -> None:
    before = page.labels()
    changed = before.copy()
    changed[0, 1, 5:9] = 2
    page.draw(0, 1, changed[0, 1])
    answer = page.post("discard").json()
    assert (answer["undo"], answer["review"]["status"]) == (0, "unreviewed")
    np.testing.assert_array_equal(page.labels(), before)
    (entry,) = page.get("/audit").json()["entries"]
    assert (entry["what"], entry["slices"]) == ("discarded", [1])
    assert [path.name for path in (out / "study" / "review").iterdir()] == ["audit.jsonl"]


def test_a_draft_is_gone_on_with_by_another_server(page, out: Path) -> None:
    labels = page.labels()
    labels[0, 1, 5:9] = 2
    page.draw(0, 1, labels[0, 1])
    with Desk(out).opened("study") as opened:
        np.testing.assert_array_equal(opened.read_labels(), labels)
        assert opened.revision == page.revision
    with pytest.raises(InputError, match="being drawn"):
        report_again(out / "study")


def test_images_that_have_moved_are_found_where_they_are_said_to_be(out: Path, written: Path) -> None:
    path = out / "study" / "measurements.json"
    record = json.loads(path.read_text())
    record["source"]["path"] = str(out / "gone")
    path.write_text(json.dumps(record))
    with pytest.raises(InputError), Desk(out).opened("study"):
        pass
    with Desk(out, written.parent / "images").opened("study") as opened:
        opened.save(Verdict("accepted"), reader="Dr One")
    assert record_of(out)["review"]["status"] == "accepted"


def test_results_made_again_meanwhile_are_not_overwritten(page, out: Path) -> None:
    labels = page.labels()
    report_again(out / "study", excluded_slices=[2])
    labels[0, 1, 5:9] = 2
    page.draw(0, 1, labels[0, 1])
    answer = page.post("save", status="accepted")
    assert answer.status_code == 409
    assert record_of(out)["review"]["excluded_slices"] == [2]


def test_a_draft_of_labels_that_were_changed_is_told_and_can_be_set_aside(page, out: Path, client: TestClient) -> None:
    labels = page.labels()
    labels[0, 1, 5:9] = 2
    page.draw(0, 1, labels[0, 1])
    draft = (out / "study" / "review" / "draft.jsonl").read_bytes()
    (out / "study" / "review" / "draft.jsonl").unlink()
    other = page.labels()
    page.post("discard")
    other[2, 2, :7] = 3
    page.draw(2, 2, other[2, 2])
    page.post("save", status="corrected")
    (out / "study" / "review" / "draft.jsonl").write_bytes(draft)
    fresh = Desk(out)
    fresh.leases.take("study", "Dr One", session="s")
    with pytest.raises(InputError, match="changed since"), fresh.opened("study"):
        pass
    assert fresh.discard("study", "s", "Dr One")["undo"] == 0
    assert any(path.name.startswith("draft-") for path in (out / "study" / "review").iterdir())


def test_a_decision_can_be_rejected_and_told_why(page, out: Path, client: TestClient) -> None:
    page.post("save", status="rejected", comment="<b>motion</b>\ud800\0 & more")
    record = record_of(out)
    assert (record["review"]["status"], record["review"]["checked_phases"]) == ("rejected", [])
    assert "<b>motion</b>" not in (out / "study" / "report.html").read_text()
    assert client.get("/api/worklist").json()["cases"][0]["comment"] == "<b>motion</b> & more"
    for wrong in ({"status": "unreviewed"}, {"status": 1}, {"status": "accepted", "comment": "x" * 5000}):
        assert page.post("save", **wrong).status_code == 422
    for phases in ([6], ["1"], 3):
        assert page.post("save", status="accepted", checked_phases=phases).status_code == 422


def test_words_that_cannot_be_printed_are_refused(page) -> None:
    for word in ("\ud800", "a\nb", "x" * 81, 7, ["brush"]):
        assert page.post("strokes", changes=[{}], tool=word).status_code == 422
        assert page.post("open", session=word).status_code == 422
    assert page.post("strokes", session="\ud800", changes=[{}]).status_code == 423


def test_what_is_no_json_is_refused(page) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000):
        assert page.client.post(f"{CASE}/strokes", content=body, headers=headers).status_code == 422
    assert page.client.post(f"{CASE}/strokes", json={"session": 1}).status_code == 422


def test_a_full_disk_is_told_and_the_state_stays(page, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    labels = page.labels()
    drawn = labels[0, 1].copy()
    drawn[5:9] = 2

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.app.review.draft.os.fsync", fail)
        answer = page.draw(0, 1, drawn)
    assert (answer.status_code, "No space" in answer.json()["error"]) == (507, True)
    np.testing.assert_array_equal(page.labels(), labels)
    assert page.draw(0, 1, drawn).status_code == 200


def test_a_failure_is_told_without_what_was_worked_on(page, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("patient study Doe")

    monkeypatch.setattr("pipeline.app.review.session.display_facts", fail)
    answer = page.get()
    assert answer.status_code == 500
    assert "Doe" not in answer.text + caplog.text
    assert "RuntimeError in test_server.py" in caplog.text
