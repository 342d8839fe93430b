"""Try to make `cmr node` lose or double something: kills at every step, floods of studies and rubbish, a full disk.

    python benchmarks/node.py kills [STEP ...]     # kill -9 at each step, start again; all steps by default
    python benchmarks/node.py flood --studies 50   # from several callers at once
    python benchmarks/node.py rubbish --seconds 60
    python benchmarks/node.py full /mnt            # on a small disk: mount -t tmpfs -o size=24m tmpfs /mnt

A stand-in takes the place of the network (`--bundle` runs a real one), and an archive of pynetdicom counts what comes.
Each prints one JSON object and exits with 1 if something was lost, or doubled without need.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import yaml
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import MRImageStorage  # type: ignore[attr-defined]

from pipeline.app.case_results import CaseResult
from pipeline.app.folders import write_whole
from pipeline.app.node.settings import load_settings
from pipeline.app.node.work import LoadForNode
from pipeline.app.request import Request
from pipeline.app.results import read_record, write_record
from pipeline.core.case import BundleRecord, Provenance
from pipeline.read.discover import CaseFiles
from pipeline.write.dicom.uids import derived_uid

WAIT_S = 180.0
N_OBJECTS = 3
"""That the stand-in makes of a study."""

STEPS = {
    "before writing": ("spool", "Spool", "put", "before"),
    "written": ("spool", "Spool", "put", "after"),
    "recorded": ("queue", "Queue", "record", "after"),
    "before queued": ("queue", "Queue", "enqueue", "before"),
    "queued": ("queue", "Queue", "enqueue", "after"),
    "taken": ("queue", "Queue", "take", "after"),
    "running": ("work", "", "segment", "during"),
    "results written": ("outbox", "Outbox", "put", "before"),
    "segmented": ("outbox", "Outbox", "put", "after"),
    "stored": ("outbox", "Outbox", "delivered", "before"),
    "delivered": ("outbox", "Outbox", "delivered", "after"),
}
"""Step -> module, class, method, and whether the node is killed before or after it."""


@dataclass(frozen=True)
class StandIn:
    """In place of the network: writes objects that depend on the study alone, after a while."""

    pause_s: float = 0.2

    def __call__(self) -> tuple[Provenance, Callable[[tuple[CaseFiles, Request]], CaseResult]]:
        """Load nothing."""
        return Provenance({"cardiac-mr-pipeline": "0"}, BundleRecord("stand-in", "1"), {}), self.segment

    def segment(self, task: tuple[CaseFiles, Request]) -> CaseResult:
        """Write results as a case's folder."""
        case, asked = task
        time.sleep(self.pause_s)

        def fill(folder: Path) -> CaseResult:
            for number in range(N_OBJECTS):
                made_object(case.identity, number).save_as(folder / f"seg_{number}.dcm", enforce_file_format=True)
            write_record(folder, {"source": {"identity": case.identity}})
            return CaseResult(folder.name, asked.out / folder.name, None, read_record(folder / "measurements.json"))

        return write_whole(asked.out, case, fill, keep_old=False)


def made_object(identity: str, number: int) -> Dataset:
    """A small object, always the same for the same study."""
    made = Dataset()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = EncapsulatedPDFStorage, derived_uid(identity, str(number))
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3", derived_uid(identity, str(number), "series")
    made.MIMETypeOfEncapsulatedDocument, made.EncapsulatedDocument = "application/pdf", b"%PDF-1.4"
    return made


def images(number: int, n: int = 6, *, size: int = 16) -> list[Dataset]:
    """A study of small MR images."""
    found = []
    for k in range(n):
        image = Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, f"1.2.3.{number}.{k + 1}"
        image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.3.{number}", f"1.2.3.{number}.0"
        image.PatientID, image.PatientName, image.Modality = f"ID{number}", f"Secret^{number}", "MR"
        image.Rows = image.Columns = size
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 0, 1
        image.PhotometricInterpretation, image.PixelSpacing = "MONOCHROME2", [2.0, 2.0]
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 8 * k], [1, 0, 0, 0, 1, 0]
        image.InstanceNumber, image.PixelData = k + 1, bytes(2 * size * size)
        found.append(image)
    return found


@dataclass
class CountingArchive:
    """Takes what is sent, and counts it by UID."""

    port: int
    counts: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def open(self) -> Iterator[CountingArchive]:
        """Listen."""
        entity = AE("ARCHIVE")
        entity.add_supported_context(EncapsulatedPDFStorage)
        for class_uid in ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34"):
            entity.add_supported_context(class_uid)
        server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )
        try:
            yield self
        finally:
            server.shutdown()

    def _take(self, event: evt.Event) -> int:
        self.counts[str(event.request.AffectedSOPInstanceUID)] += 1
        return 0x0000


@dataclass
class Trial:
    """A node in a process of its own, its folder, and the archive."""

    folder: Path
    archive: CountingArchive
    port: int
    bundle: str | None = None
    pause_s: float = 0.2

    def start(self, step: str = "") -> subprocess.Popen[bytes]:
        """Start the node, which is killed at a step."""
        content = {
            "folder": str(self.folder / "node"),
            "listen": {
                "port": self.port,
                "status_port": None,
                "callers": [{"ae_title": f"CALLER{n}"} for n in range(8)],
            },
            "limits": {"free_disk_mb": 1, "instance_mb": 1, "idle_s": 5, "associations": 8},
            "stable_s": 1.0,
            "destinations": {"archive": {"host": "127.0.0.1", "port": self.archive.port, "ae_title": "ARCHIVE"}},
            "rules": [{"name": "all", "send_to": ["archive"]}],
            "work": {"bundle": self.bundle or "none"},
        }
        config = self.folder / "node.yaml"
        config.write_text(yaml.safe_dump(content))
        arguments = ["serve", str(config), "--kill", step, "--pause", str(self.pause_s)]
        with (self.folder / "log.jsonl").open("ab") as log:
            command = [sys.executable, __file__, *arguments, *(["--bundle", self.bundle] if self.bundle else [])]
            return subprocess.Popen(command, stderr=log)

    def wait_until_open(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the node listens, or has ended."""

        def is_open() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            return process.poll() is not None

        wait_for(is_open)

    def states(self) -> Counter[str]:
        """How many studies are in each state."""
        return Counter(dict(self.ask("SELECT state, COUNT(*) FROM study GROUP BY state")))

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """Ask the node's queue."""
        with closing(sqlite3.connect(self.folder / "node" / "queue.sqlite", timeout=10)) as base:
            return base.execute(question).fetchall()


def wait_for(happens: Callable[[], Any], limit_s: float = WAIT_S, alive: Callable[[], bool] = lambda: True) -> bool:
    """Wait until something is true; says whether it came true in time, while what makes it true lived."""
    end = time.monotonic() + limit_s
    while not happens():
        if time.monotonic() > end or not alive():
            return bool(happens())
        time.sleep(0.05)
    return True


def send(port: int, objects: Sequence[Dataset], caller: str = "CALLER0") -> list[str]:
    """Send objects; gives the UIDs of those that were confirmed."""
    entity = AE(caller)
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    association = entity.associate("127.0.0.1", port, ae_title="CMR")
    confirmed = []
    for one in objects if association.is_established else ():
        if not association.is_established:
            break
        status = association.send_c_store(one)
        if "Status" in status and int(status.Status) == 0:
            confirmed.append(str(one.SOPInstanceUID))
    if association.is_established:
        association.release()
    return confirmed


def send_until_confirmed(port: int, objects: Sequence[Dataset], caller: str, alive: Callable[[], bool]) -> None:
    """Send as an archive does: what was not confirmed is sent again, for as long as the node lives."""
    left = {str(one.SOPInstanceUID): one for one in objects}
    end = time.monotonic() + WAIT_S
    while left and alive() and time.monotonic() < end:
        for uid in send(port, list(left.values()), caller):
            left.pop(uid, None)
        if left:
            time.sleep(0.2)


def kill_at(step: str) -> dict[str, Any]:
    """Kill a node at a step, start it again, and see what became of a study."""
    with tempfile.TemporaryDirectory() as name, CountingArchive(free_port()).open() as archive:
        trial = Trial(Path(name), archive, free_port())
        study = images(1)
        process = trial.start(step)
        trial.wait_until_open(process)
        send_until_confirmed(trial.port, study, "CALLER0", lambda: process.poll() is None)
        was_killed = wait_for(lambda: process.poll() is not None)
        process.kill()
        code = process.wait(20)
        process = trial.start()
        trial.wait_until_open(process)
        try:
            send_until_confirmed(trial.port, study, "CALLER0", lambda: process.poll() is None)
            done = wait_for(lambda: trial.states()["sent"] == 1, alive=lambda: process.poll() is None)
            time.sleep(1.0)  # whether more is sent
        finally:
            process.terminate()
            ended = wait_for(lambda: process.poll() is not None, 30)
            process.kill()
        files = {file.name for file in (trial.folder / "node" / "studies").rglob("*.dcm")}
        rows = {row[0] for row in trial.ask("SELECT file FROM instance")}
        doubled = sum(archive.counts.values()) - len(archive.counts)
        whole = len(archive.counts) == N_OBJECTS and files == rows and len(rows) == len(study)
        found = {"step": step, "killed": was_killed and code == -signal.SIGKILL, "sent": done, "whole": whole}
        good = all(found.values()) and ended and doubled <= (step == "stored")
        return found | {"doubled": doubled, "good": good}


def flood(n_studies: int, bundle: str | None) -> dict[str, Any]:
    """Many studies at once from several callers."""
    with tempfile.TemporaryDirectory() as name, CountingArchive(free_port()).open() as archive:
        trial = Trial(Path(name), archive, free_port(), bundle, pause_s=0.02)
        process = trial.start()
        trial.wait_until_open(process)
        studies = real_studies(Path(name), n_studies) if bundle else [images(number) for number in range(n_studies)]
        start = time.monotonic()

        def deliver(number: int) -> None:
            send_until_confirmed(trial.port, studies[number], f"CALLER{number % 4}", lambda: process.poll() is None)

        with ThreadPoolExecutor(4) as senders:
            list(senders.map(deliver, range(n_studies)))
        received_s = time.monotonic() - start
        wait_s = WAIT_S + 60 * n_studies * (bundle is not None)
        wait_for(lambda: trial.states()["sent"] == n_studies, wait_s, lambda: process.poll() is None)
        sent_s = time.monotonic() - start
        states = dict(trial.states())
        n_objects = trial.ask("SELECT COUNT(*) FROM delivery")[0][0]
        process.terminate()
        ended = wait_for(lambda: process.poll() is not None, 30)
        process.kill()
        doubled = sum(archive.counts.values()) - len(archive.counts)
        good = states == {"sent": n_studies} and len(archive.counts) == n_objects and not doubled and ended
        told = {"studies": n_studies, "images": sum(map(len, studies)), "received_s": round(received_s, 1)}
        told |= {"all_sent_s": round(sent_s, 1), "states": states, "objects": n_objects, "doubled": doubled}
        return told | {"names_in_log": names_in(trial.folder / "log.jsonl"), "good": good}


def rubbish(seconds: float) -> dict[str, Any]:
    """Callers who send what is no DICOM, announce more than they send, and stop midway; then a study is sent."""
    with tempfile.TemporaryDirectory() as name, CountingArchive(free_port()).open() as archive:
        trial = Trial(Path(name), archive, free_port())
        process = trial.start()
        trial.wait_until_open(process)
        end, chance, made = time.monotonic() + seconds, random.Random(0), Counter[str]()  # noqa: S311 no secret

        def disturb(number: int) -> None:
            while time.monotonic() < end and process.poll() is None:
                kind = chance.choice(list(RUBBISH))
                with contextlib.suppress(OSError, ValueError, RuntimeError):
                    RUBBISH[kind](trial.port, random.Random(chance.random()), f"CALLER{1 + number}")  # noqa: S311
                made[kind] += 1

        with ThreadPoolExecutor(3) as callers:
            list(callers.map(disturb, range(3)))
        memory_mb = resident_mb(process.pid)
        study = images(1)
        send_until_confirmed(trial.port, study, "CALLER0", lambda: process.poll() is None)
        done = wait_for(lambda: trial.states()["sent"] == 1, alive=lambda: process.poll() is None)
        kept = trial.ask("SELECT COUNT(*) FROM instance")[0][0]
        process.terminate()
        ended = wait_for(lambda: process.poll() is not None, 30)
        process.kill()
        good = done and ended and len(archive.counts) == N_OBJECTS and kept == len(study) and memory_mb < 1000
        told = {"attempts": dict(made), "memory_mb": round(memory_mb), "study_sent": done, "objects_kept": kept}
        return told | {"names_in_log": names_in(trial.folder / "log.jsonl"), "good": good}


def full(disk: Path) -> dict[str, Any]:
    """A disk that is nearly full, then full to the last byte, then free again, while studies come."""
    n_studies, ballast = 12, disk / "ballast"
    with tempfile.TemporaryDirectory(dir=disk) as name, CountingArchive(free_port()).open() as archive:
        trial = Trial(Path(name), archive, free_port())
        process = trial.start()
        trial.wait_until_open(process)
        studies = [images(number, size=256) for number in range(n_studies)]
        try:
            fill(ballast, leave_bytes=5_000_000)
            with ThreadPoolExecutor(4) as senders:
                sent = [
                    senders.submit(
                        send_until_confirmed, trial.port, study, f"CALLER{n % 4}", lambda: process.poll() is None
                    )
                    for n, study in enumerate(studies)
                ]
                time.sleep(8)
                n_before = trial.ask("SELECT COUNT(*) FROM instance")[0][0]
                fill(ballast, leave_bytes=0)
                time.sleep(8)
                lived = process.poll() is None
                ballast.unlink()
                for one in sent:
                    one.result()
            wait_for(lambda: trial.states()["sent"] == n_studies, alive=lambda: process.poll() is None)
            states = dict(trial.states())
        finally:
            ballast.unlink(missing_ok=True)
            process.terminate()
            ended = wait_for(lambda: process.poll() is not None, 30)
            process.kill()
        n_images, doubled = sum(map(len, studies)), sum(archive.counts.values()) - len(archive.counts)
        good = lived and ended and states == {"sent": n_studies} and len(archive.counts) == n_studies * N_OBJECTS
        told = {"images": n_images, "taken_while_nearly_full": n_before, "lived": lived, "states": states}
        return told | {"objects": len(archive.counts), "doubled": doubled, "good": good and not doubled}


def fill(ballast: Path, *, leave_bytes: int) -> None:
    """Let a file take all of its disk but some bytes."""
    with ballast.open("ab") as stream, contextlib.suppress(OSError):
        while (left := shutil.disk_usage(ballast.parent).free - leave_bytes) > 0:
            stream.write(bytes(min(left, 1 << 20)))
            stream.flush()


def _noise(port: int, chance: random.Random, _: str) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(chance.randbytes(chance.randint(1, 1 << 16)))


def _long_announcement(port: int, chance: random.Random, _: str) -> None:
    """A PDU of 4 GB, of which some comes."""
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(bytes([chance.choice([1, 4]), 0]) + b"\xff\xff\xff\xf0" + bytes(1 << 20))


def _half(port: int, chance: random.Random, _: str) -> None:
    """An association request that stops midway."""
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.sendall(b"\x01\x00\x00\x00\x01\x00" + chance.randbytes(40))


def _stranger(port: int, chance: random.Random, _: str) -> None:
    send(port, images(chance.randint(2, 99), 1), "STRANGER")


def _spoiled(port: int, chance: random.Random, caller: str) -> None:
    """Objects without UIDs, of another UID than announced, and too large ones."""
    entity = AE(caller)
    entity.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    association = entity.associate("127.0.0.1", port, ae_title="CMR")
    if association.is_established:
        (one,) = images(chance.randint(2, 99), 1)
        fault = chance.randrange(3)
        if fault == 0:
            one.StudyInstanceUID = ""
        elif fault == 1:
            one.SeriesInstanceUID = ""
        else:
            one.PixelData = bytes(3_000_000)
        association.send_c_store(one)
        association.release()


RUBBISH: dict[str, Callable[[int, random.Random, str], None]] = {
    "noise": _noise,
    "long announcement": _long_announcement,
    "half a request": _half,
    "stranger": _stranger,
    "spoiled object": _spoiled,
}


def real_studies(folder: Path, n_studies: int) -> list[list[Dataset]]:
    """Phantoms as DICOM studies, all of other patients."""
    from pipeline.phantom.anatomy import make_patient
    from pipeline.phantom.dicom import write_study
    from pipeline.phantom.study import make_cine

    phantom = make_cine(make_patient(11), n_phases=3, n_slices=4, size=40, pixel_mm=6.0, step_mm=20.0)
    files = write_study(phantom, folder / "phantom", extras=False)
    return [[_of(pydicom.dcmread(file), number, k) for k, file in enumerate(files)] for number in range(n_studies)]


def _of(image: Dataset, number: int, k: int) -> Dataset:
    image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.3.{number}", f"1.2.3.{number}.0"
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}.{k + 1}"
    image.PatientID, image.PatientName = f"ID{number}", f"Secret^{number}"
    return image


def names_in(log: Path) -> int:
    """Lines of a log that name a patient or a study."""
    lines = log.read_text(errors="replace").splitlines()
    return sum("Secret" in line or "1.2.3." in line or '"ID' in line for line in lines)


def resident_mb(process: int) -> float:
    """Memory that a process holds."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024
    return 0.0


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(config: Path, step: str, load: Any) -> None:
    """Run a node that kills itself at a step."""
    from pipeline.app.node.output import only_json
    from pipeline.app.node.service import Node
    from pipeline.core.processes import Terminated, terminated_by_exception

    if step:
        arm(step)
        load = StandIn(5.0) if step == "running" else load
    settings = load_settings(config)
    with contextlib.suppress(Terminated), only_json(), terminated_by_exception(), Node(settings, load) as node:
        node.wait()


def arm(step: str) -> None:
    """Let this process kill itself at a step, when it comes there for the second time if it comes there often."""
    module, kind, method, when = STEPS[step]
    if when == "during":
        from pipeline.app.node import runner

        real = runner.segment_study

        def killed_soon(*arguments: Any) -> Any:
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGKILL)).start()
            return real(*arguments)

        runner.segment_study = killed_soon  # type: ignore[assignment]
        return
    owner = getattr(__import__(f"pipeline.app.node.{module}", fromlist=[kind]), kind)
    original, calls = getattr(owner, method), Counter[str]()

    def called(self: Any, *arguments: Any, **named: Any) -> Any:
        calls["n"] += 1
        is_time = calls["n"] == (2 if method in ("put", "record", "delivered") and module != "outbox" else 1)
        if is_time and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = original(self, *arguments, **named)
        if method == "take" and answer is None:
            calls["n"] -= 1
        elif is_time:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, method, called)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kills", "flood", "rubbish", "full", "serve"])
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bundle", default=None)
    parser.add_argument("--kill", default="")
    parser.add_argument("--pause", type=float, default=0.2)
    asked = parser.parse_args()
    if asked.what == "serve":
        load = LoadForNode(asked.bundle) if asked.bundle else StandIn(asked.pause)
        serve(Path(asked.rest[0]), asked.kill, load)
        return 0
    if asked.what == "kills":
        tried = [kill_at(step) for step in asked.rest or STEPS]
        found: dict[str, Any] = {"kills": tried, "good": all(one["good"] for one in tried)}
    elif asked.what == "flood":
        found = flood(asked.studies, asked.bundle)
    elif asked.what == "full":
        found = full(Path(asked.rest[0]))
    else:
        found = rubbish(asked.seconds)
    print(json.dumps(found, indent=1))
    return 0 if found["good"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
