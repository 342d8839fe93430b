"""A folder of results of a phantom's DICOM study, laid down in a pose of its own, and clients of its server."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from pipeline.app.choices import Choices
from pipeline.app.folders import write_whole
from pipeline.app.results import write_case
from pipeline.app.review.desk import Desk
from pipeline.app.review.guard import Keys
from pipeline.app.review.server import make_app
from pipeline.core.case import BundleRecord, Case, Provenance, Source
from pipeline.core.certainty import NetworkReport
from pipeline.core.digests import labels_digest, voxels_digest
from pipeline.core.pose import Pose, PoseFinding
from pipeline.measure.study import measure_study
from pipeline.phantom.anatomy import make_patient
from pipeline.phantom.dicom import write_study
from pipeline.phantom.study import PhantomStudy, make_cine
from pipeline.read.cine import read_cine
from pipeline.read.discover import find_cases

POSE = Pose(True, True, False)
HEADERS = {"X-CMR-Review": "1", "X-CMR-Reader": "Dr%20One"}
CASE = "/api/cases/study"


@pytest.fixture(scope="session")
def study() -> PhantomStudy:
    return make_cine(make_patient(8), n_phases=6, n_slices=6, size=48, pixel_mm=4.3, step_mm=15.0)


@pytest.fixture(scope="session")
def written(study: PhantomStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of results, which no test changes."""
    root = tmp_path_factory.mktemp("review")
    write_study(study, root / "images" / "study", extras=False)
    write_result(root / "out", root / "images" / "study", study)
    return root / "out"


def write_result(out: Path, images: Path, study: PhantomStudy) -> None:
    """What `cmr segment` writes, with the phantom's true labels as the network's."""
    (files,) = find_cases(images)
    cine, labels = read_cine(images), study.label.array
    source = Source(files.identity, str(images), voxels_digest(cine.array))
    made_by = Provenance({}, BundleRecord("some", "1.0"), {}, labels_digest(labels), source)
    pose = PoseFinding(POSE, POSE, True, 1.0, 1.3)
    measured = measure_study(cine, labels, told=NetworkReport(pose=pose))
    case = Case("", cine, labels, measured, made_by)
    write_whole(out, files, lambda new: write_case(new, replace(case, name=new.name), Choices()))


@pytest.fixture
def out(written: Path, tmp_path: Path) -> Path:
    """A folder of results of the test's own."""
    return Path(shutil.copytree(written, tmp_path / "out"))


@dataclass
class Page:
    """A reader's page, as the server sees it."""

    client: TestClient | httpx2.Client
    session: str = ""
    revision: int = -1

    def get(self, place: str = "") -> httpx2.Response:
        return self.client.get(f"{CASE}{place}")

    def post(self, act: str, **body: Any) -> httpx2.Response:
        """Do something in the page's newest state."""
        state = {"session": self.session, "revision": self.revision}
        content, headers = json.dumps(state | body).encode(), {"Content-Type": "application/json"}
        answer = self.client.post(f"{CASE}/{act}", content=content, headers=headers)
        if answer.is_success:
            self.revision = answer.json().get("revision", self.revision)
        return answer

    def open(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.post(f"{CASE}/open", json={}).json()
        self.session = answer["session"]
        self.revision = self.get().json()["revision"]
        return answer

    def labels(self) -> np.ndarray:
        """(T, Z, ROWS, COLS)."""
        shape = self.get().json()["shape"]
        return np.frombuffer(self.get("/labels").content, np.uint8).reshape(shape).copy()

    def draw(self, phase: int, level: int, rows: np.ndarray, **body: Any) -> httpx2.Response:
        """Draw a slice anew, (ROWS, COLS)."""
        text = base64.b64encode(rows.astype(np.uint8).tobytes()).decode()
        return self.post("strokes", changes=[{"phase": phase, "slice": level, "labels": text}], tool="brush", **body)


@pytest.fixture
def tokens() -> list[str]:
    """The tokens that the server has announced."""
    return []


@pytest.fixture
def client(out: Path, tokens: list[str]) -> Iterator[TestClient]:
    """A page that has come by the link."""
    app = make_app(Desk(out), Keys(8000, tokens.append))
    with TestClient(app, base_url="http://127.0.0.1:8000", headers=HEADERS, follow_redirects=False) as client:
        assert client.get("/", params={"token": tokens[-1]}).status_code == 303
        yield client


@pytest.fixture
def page(client: TestClient) -> Page:
    """A reader who has opened the case."""
    page = Page(client)
    page.open()
    return page


@pytest.fixture
def page_of() -> type[Page]:
    """A page of any client, not yet opened."""
    return Page


@pytest.fixture
def make_page(client: TestClient, tokens: list[str]) -> Callable[[str], Page]:
    """Another reader's page, of the same server."""

    def make(reader: str) -> Page:
        headers = HEADERS | {"X-CMR-Reader": reader}
        other = TestClient(client.app, base_url="http://127.0.0.1:8000", headers=headers, follow_redirects=False)
        assert other.get("/", params={"token": tokens[-1]}).status_code == 303
        return Page(other)

    return make
