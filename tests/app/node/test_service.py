"""A node as others meet it: who may send, what becomes of studies, what it tells, how it ends."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import EncapsulatedPDFStorage
from pynetdicom import AE, evt
from pynetdicom.sop_class import MRImageStorage  # type: ignore[attr-defined]
from typer.testing import CliRunner

from pipeline.app.cli import app
from pipeline.app.node.journal import log_as_json
from pipeline.app.node.places import Tls
from pipeline.app.node.rules import Described, describe
from pipeline.app.node.sections import read_section
from pipeline.app.node.service import Node
from pipeline.app.node.settings import NodeSettings
from pipeline.app.node.tls import tls_context
from pipeline.core.errors import ConfigError, InputError
from tests.app.node.helpers import free_port, node_content, send, wait_for
from tests.app.node.stand_in import N_OBJECTS, StandIn

Study = Callable[[int], list[pydicom.Dataset]]


@contextmanager
def archive(port: int, **options: Any) -> Iterator[Counter[str]]:
    """An archive that counts what it gets by UID."""
    counts: Counter[str] = Counter()

    def take(event: evt.Event) -> int:
        counts[str(event.request.AffectedSOPInstanceUID)] += 1
        return 0x0000

    entity = AE("ORTHANC")
    entity.add_supported_context(EncapsulatedPDFStorage)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, take)], **options)
    try:
        yield counts
    finally:
        server.shutdown()


def settings_with(folder: Path, port: int, **changed: Any) -> NodeSettings:
    place = {"host": "127.0.0.1", "port": port, "ae_title": "ORTHANC", "timeout_s": 10}
    return read_section(NodeSettings, node_content(folder, destinations={"pacs": place}, **changed), "")


@pytest.fixture(scope="module")
def logged() -> Iterator[StringIO]:
    """What the module's node logs."""
    stream, root = StringIO(), logging.getLogger()
    before = root.handlers, root.level
    log_as_json(stream)
    yield stream
    root.handlers, root.level = before


@pytest.fixture(scope="module")
def running(logged: StringIO, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Counter[str]]]:
    """A node with a stand-in for the network, and what its archive got."""
    port = free_port()
    callers = [{"ae_title": "MODALITY1"}, {"ae_title": "ELSEWHERE", "host": "10.9.8.7"}]
    settings = settings_with(
        tmp_path_factory.mktemp("node"),
        port,
        listen={"port": 0, "status_port": 0, "callers": callers},
        limits={"free_disk_mb": 1, "instance_mb": 0.5},
        work={"timeout_s": 8},
        rules=[{"name": "knees", "study": "*knee*", "ignore": True}, {"name": "all", "send_to": ["pacs"]}],
    )
    with archive(port) as counts, Node(settings, StandIn()) as node:
        yield node, counts


def state_of(node: Node, image: pydicom.Dataset) -> str:
    key = node.spool.key(str(image.StudyInstanceUID), str(image.PatientID))
    return next((row.state for row in node.queue.studies() if row.key == key), "")


def wait_until(node: Node, image: pydicom.Dataset, state: str) -> None:
    wait_for(lambda: state_of(node, image) == state, alive=lambda: not node.health(), limit_s=60)


def test_a_study_is_segmented_and_sent_once(running: tuple[Node, Counter[str]], study_of: Study) -> None:
    node, counts = running
    images, before = study_of(1), sum(counts.values())
    assert send(images, node.receiver.port) == [0] * len(images)
    wait_until(node, images[0], "sent")
    assert sum(counts.values()) - before == N_OBJECTS
    assert send(images, node.receiver.port) == [0] * len(images)  # all of it again
    assert state_of(node, images[0]) == "sent"


def test_late_images_let_it_run_again_and_only_what_is_new_is_sent(
    running: tuple[Node, Counter[str]], study_of: Study
) -> None:
    node, counts = running
    images, before = study_of(2), sum(counts.values())
    send(images[:-1], node.receiver.port)
    wait_until(node, images[0], "sent")
    send(images[-1:], node.receiver.port)
    wait_for(lambda: sum(counts.values()) - before == N_OBJECTS + 1, alive=lambda: not node.health(), limit_s=60)
    wait_until(node, images[0], "sent")


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (901, "no heart is seen"),
        (902, "its process ended by itself with exit code 9"),
        (903, "it took longer than 8 s"),
    ],
)
def test_a_study_that_fails_costs_itself_alone_and_says_why(
    running: tuple[Node, Counter[str]], study_of: Study, number: int, reason: str
) -> None:
    node, _ = running
    bad, good = study_of(number), study_of(number + 50)
    send(bad, node.receiver.port)
    wait_until(node, bad[0], "failed")
    (row,) = (one for one in node.queue.studies() if reason in one.reason)
    assert row.state == "failed"
    send(good, node.receiver.port)
    wait_until(node, good[0], "sent")
    assert node.health() == []


def test_what_no_rule_wants_is_ignored(running: tuple[Node, Counter[str]], study_of: Study) -> None:
    node, _ = running
    images = study_of(3)
    for image in images:
        image.StudyDescription = "Knee, left"
    send(images, node.receiver.port)
    wait_until(node, images[0], "ignored")


def test_a_study_whose_headers_cannot_be_read_costs_itself_alone(
    running: tuple[Node, Counter[str]], study_of: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, _ = running
    images = study_of(14)
    key = node.spool.key(str(images[0].StudyInstanceUID), str(images[0].PatientID))

    def described(files: Iterable[Path]) -> list[Described]:
        found = list(files)
        if found[0].parent.name == key:
            raise ValueError("Secret^Patient is no date")
        return describe(found)

    monkeypatch.setattr("pipeline.app.node.service.describe", described)
    send(images, node.receiver.port)
    wait_until(node, images[0], "failed")
    assert any("ValueError: Secret^Patient is no date" in row.reason for row in node.queue.studies())


def test_strangers_are_not_let_in(running: tuple[Node, Counter[str]], study_of: Study) -> None:
    node, _ = running
    images, port = study_of(4)[:1], node.receiver.port
    assert send(images, port, own_title="STRANGER") == []
    assert send(images, port, title="OTHER") == []
    assert send(images, port, own_title="ELSEWHERE") == [0x0124]  # not from its own address
    assert send(images, port, own_title="ORTHANC") == [0x0124]  # an archive that may answer, not send
    assert state_of(node, images[0]) == ""


def test_rubbish_costs_its_sender_alone(running: tuple[Node, Counter[str]], study_of: Study) -> None:
    node, _ = running
    port = node.receiver.port
    for noise in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00\xff\xff\xff\xf0" + bytes(5000),
        b"\x04\x00\x00\x00\x00\x04abcd",
    ):
        with socket.create_connection(("127.0.0.1", port), 5) as link:
            link.sendall(noise)
            link.settimeout(30)
            while link.recv(4096):  # until the node ends it
                pass
    (large,) = study_of(5)[:1]
    large.PixelData = bytes(1_000_000)
    assert send([large], port) in ([], [None])  # cut off before it is held
    good = study_of(6)
    send(good, port)
    wait_until(node, good[0], "sent")


def test_logs_name_nobody(running: tuple[Node, Counter[str]], logged: StringIO) -> None:
    node, _ = running
    logging.getLogger("pipeline.read").error("Secret^Patient1 in /somewhere/1.2.3.4.dcm")
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert {"study queued", "study ran", "object sent", "message of a library"} <= {line["event"] for line in lines}
    assert all({"time", "level", "event"} <= set(line) for line in lines)
    text = logged.getvalue()
    assert not any(word in text for word in ("Secret", "ID-0", "1.2.3.", str(node.settings.folder)))
    keys = {row.key for row in node.queue.studies()}
    assert keys & {line.get("study") for line in lines}


def test_one_node_a_folder_and_a_bundle_that_loads(
    running: tuple[Node, Counter[str]], tmp_path: Path, study_of: Study
) -> None:
    node, _ = running
    with pytest.raises(ConfigError, match="another node has"), Node(node.settings, StandIn()):
        pass
    settings = settings_with(tmp_path / "other", 1)
    before = threading.active_count()
    with pytest.raises(ConfigError, match="no such bundle"), Node(settings, StandIn(refuses=True)):
        pass
    assert threading.active_count() <= before


def test_an_archive_that_comes_later_gets_all_and_a_run_that_was_cut_off_is_done_again(
    tmp_path: Path, study_of: Study
) -> None:
    port = free_port()
    settings = settings_with(tmp_path / "node", port)
    done, cut_off = study_of(11), study_of(903)
    with Node(settings, StandIn()) as node:
        send(done, node.receiver.port)
        wait_until(node, done[0], "segmented")
        send(cut_off, node.receiver.port)
        wait_until(node, cut_off[0], "running")
    with archive(port) as counts, Node(replace(settings, keep_days=1e-5), StandIn()) as node:
        wait_for(
            lambda: state_of(node, done[0]) == "", alive=lambda: not node.health(), limit_s=60
        )  # sent, and removed
        assert sum(counts.values()) == len(counts) == N_OBJECTS
        wait_until(node, cut_off[0], "running")
    assert len(list((tmp_path / "node" / "studies").iterdir())) == 1
    removed = node.spool.key(str(done[0].StudyInstanceUID), str(done[0].PatientID))
    assert not list((tmp_path / "node" / "results").glob(f"{removed}*"))
    assert not list((tmp_path / "node").glob(".run-*"))


def test_images_whose_queue_is_gone_are_not_taken_for_rubbish(tmp_path: Path, study_of: Study) -> None:
    settings = settings_with(tmp_path / "node", 1)
    lies = settings.folder / "studies" / "s1" / "a.dcm"
    lies.parent.mkdir(parents=True)
    lies.touch()
    with pytest.raises(InputError, match="their queue is gone"), Node(settings, StandIn()):
        pass
    assert lies.exists()


def test_the_queue_is_listed_and_a_study_let_run_again(
    running: tuple[Node, Counter[str]], tmp_path: Path, study_of: Study
) -> None:
    node, counts = running
    images = study_of(12)
    send(images, node.receiver.port)
    wait_until(node, images[0], "sent")
    content = node_content(node.settings.folder, destinations={"pacs": {"url": "http://127.0.0.1:1"}})
    (tmp_path / "node.yaml").write_text(json.dumps(content))
    config = ["node", "--config", str(tmp_path / "node.yaml")]
    assert "is right: 1 rule(s)" in CliRunner().invoke(app, [*config, "--check"]).output
    key = node.spool.key(str(images[0].StudyInstanceUID), str(images[0].PatientID))
    (line,) = (line for line in CliRunner().invoke(app, [*config, "--list"]).output.splitlines() if key in line)
    assert f"sent  {line.split('  ')[2]}  12 received, 2 of 2 sent  all" in line
    before = sum(counts.values())
    assert "1 study to run again" in CliRunner().invoke(app, [*config, "--again", key]).output
    wait_for(lambda: sum(counts.values()) - before == N_OBJECTS, alive=lambda: not node.health(), limit_s=60)
    refused = CliRunner().invoke(app, [*config, "--again", "nobody"])
    assert isinstance(refused.exception, ConfigError)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for this machine that vouches for itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "own.pem")]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(make, check=True, capture_output=True, timeout=60)
    return Tls(folder / "own.pem", folder / "own.pem", folder / "key.pem")


def ssl_context_of(certificates: Tls) -> ssl.SSLContext:
    """Of the archive, which is not ours: pynetdicom shakes hands as it accepts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.authorities))
    context.load_cert_chain(str(certificates.certificate), certificates.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_both_ways_may_be_encrypted(tmp_path: Path, study_of: Study, certificates: Tls) -> None:
    files = {name: str(getattr(certificates, name)) for name in ("certificate", "key", "authorities")}
    port = free_port()
    listen = {"port": 0, "status_port": None, "callers": [{"ae_title": "MODALITY1"}], "tls": files}
    place = {"host": "127.0.0.1", "port": port, "ae_title": "ORTHANC", "timeout_s": 10, "tls": files}
    content = node_content(tmp_path / "node", listen=listen, destinations={"pacs": place})
    images = study_of(13)
    with (
        archive(port, ssl_context=ssl_context_of(certificates)) as counts,
        Node(read_section(NodeSettings, content, ""), StandIn()) as node,
        socket.create_connection(("127.0.0.1", node.receiver.port), 5),  # says nothing, and holds nobody up
    ):
        assert send(images, node.receiver.port) == []  # in clear
        entity = AE("MODALITY1")
        entity.add_requested_context(MRImageStorage)
        context = tls_context(certificates, server=False)
        association = entity.associate("127.0.0.1", node.receiver.port, ae_title="CMR", tls_args=(context, "127.0.0.1"))
        assert association.is_established
        assert [int(association.send_c_store(image).Status) for image in images] == [0] * len(images)
        association.release()
        wait_until(node, images[0], "sent")
        assert len(counts) == N_OBJECTS
    with pytest.raises(ConfigError, match="PEM"):
        tls_context(Tls(tmp_path / "none", tmp_path / "none", tmp_path / "none"), server=True)


def test_a_kill_costs_nothing() -> None:
    """Just before a delivery is noted; the other steps are tried by the same script, which takes minutes."""
    root = Path(__file__).parents[3]
    command = [sys.executable, str(root / "benchmarks" / "node.py"), "kills", "stored"]
    found_here = os.environ | {"PYTHONPATH": str(root)}
    ran = subprocess.run(command, env=found_here, capture_output=True, text=True, check=False, timeout=400)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (tried,) = json.loads(ran.stdout)["kills"]
    assert tried["killed"]
    assert tried["whole"]
