"""DICOMweb: what a server's answers mean, and what is asked of it once more."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pydicom
import pytest
import requests

from pipeline.app.node.dicomweb import WebObject, WebServer
from pipeline.app.node.intake import Intake
from pipeline.app.node.places import Destination, Source
from pipeline.app.node.poll import Poller
from tests.app.node.helpers import free_port
from tests.app.node.stand_in import made_object
from tests.app.node.test_intake import content_of, open_intake

Study = Callable[[int], list[pydicom.Dataset]]


class Server:
    """An HTTP server that answers as it is told, and remembers what was asked."""

    def __init__(self) -> None:
        self.status, self.content, self.asked = 200, b"", list[str]()
        self.by_path: dict[str, Any] = {}
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self) -> None:
                told.asked.append(self.path)
                found = next((one for end, one in told.by_path.items() if self.path.split("?")[0].endswith(end)), None)
                content = told.content if found is None else json.dumps(found).encode()
                self.send_response(told.status)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.place = Destination(url=f"http://127.0.0.1:{self.http.server_address[1]}", timeout_s=5)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.mark.parametrize(
    ("status", "content", "passes"),
    [
        (401, b"", True),  # a password that has expired is no fault of the object
        (404, b"", True),
        (503, b"", True),
        (429, b"", True),
        (409, b"", False),
        (415, b"", False),
        (200, b"<html>", False),
        (200, b'{"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [272]}}]}}', False),
        (200, b'{"00081199": {"vr": "SQ", "Value": [{}]}}', None),
    ],
)
def test_what_an_answer_says_of_an_object(server: Server, status: int, content: bytes, passes: bool | None) -> None:
    server.status, server.content = status, content
    found = WebServer(server.place).store(made_object("1.2.3", 0, 1))
    assert (found and found.passes) is passes
    assert len(server.asked) == 1  # not tried again by the client itself


def test_a_server_that_is_away_is_asked_later() -> None:
    found = WebServer(Destination(url=f"http://127.0.0.1:{free_port()}", timeout_s=2)).store(made_object("1.2", 0, 1))
    assert found is not None
    assert found.passes


def test_a_study_is_looked_through_once_until_it_grows(server: Server) -> None:
    def said(tag: str, value: Any) -> dict[str, Any]:
        return {tag: {"vr": "UI", "Value": [value]}}

    study = said("0020000D", "1.2.03") | said("00201208", 2)  # a UID that is not valid
    image = said("0020000E", "1.3") | said("00080018", "1.4") | said("00080016", "1.2.840.10008.5.1.4.1.1.4")
    other = image | said("00080018", "1.5") | said("00080016", "1.2.840.10008.5.1.4.1.1.66.4")
    server.by_path = {"/studies": [study], "/studies/1.2.03/instances": [image, other]}
    archive = WebServer(server.place)

    def ask() -> list[WebObject]:
        return list(archive.images(days=2, today=date(2026, 1, 2)))

    assert ask() == [WebObject("1.2.03", "1.3", "1.4")]
    assert any("StudyDate=20251231-20260102" in path for path in server.asked)
    assert ask() == []
    archive.look_again(["1.2.03"])
    assert len(ask()) == 1
    study["00201208"]["Value"] = [3]
    assert len(ask()) == 1


class Store:
    """A server with some objects, one of which it does not give."""

    def __init__(self, contents: dict[str, bytes | Exception]) -> None:
        self.contents, self.again = contents, set[str]()

    def images(self, **_: Any) -> Iterator[WebObject]:
        yield from (WebObject("1.2.3.1", "1.2.3.1.1", uid) for uid in self.contents)

    def look_again(self, studies: Iterable[str]) -> None:
        self.again = set(studies)

    def get(self, one: WebObject) -> bytes:
        found = self.contents[one.uid]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    return open_intake(tmp_path / "node")


def test_an_object_that_is_not_given_holds_up_no_other_and_is_asked_for_again(intake: Intake, study_of: Study) -> None:
    images = study_of(1)[:3]
    contents: dict[str, bytes | Exception] = {str(image.SOPInstanceUID): content_of(image) for image in images}
    first, second = list(contents)[:2]
    bad = contents[first]
    contents[first], contents[second] = requests.HTTPError("404"), b"no DICOM"
    source = Store(contents)
    poller = Poller(Source("web"), source, intake)  # type: ignore[arg-type]
    assert poller.ask(threading.Event()) == 1
    assert source.again == {"1.2.3.1"}
    contents[first] = bad
    assert poller.ask(threading.Event()) == 1
    assert source.again == set()
    (row,) = intake.queue.studies()
    assert (row.n_instances, row.caller) == (2, "dicomweb:web")


def test_a_source_that_is_away_or_answers_nonsense_ends_nothing(intake: Intake, server: Server) -> None:
    server.content = b"<html>"
    poller = Poller(Source("web"), WebServer(server.place), intake)
    assert poller.ask(threading.Event()) == 0
    server.status = 500
    assert poller.ask(threading.Event()) == 0
