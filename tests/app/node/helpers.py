"""What tests of the node use: waiting with an end, sending, what a configuration says, a running Orthanc."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import requests
from pynetdicom import AE
from pynetdicom.sop_class import MRImageStorage  # type: ignore[attr-defined]

WAIT_S = 600.0


def wait_for(happens: Callable[[], Any], *, alive: Callable[[], bool] = lambda: True, limit_s: float = WAIT_S) -> Any:
    """Wait until something is true, as long as what is to make it true lives."""
    end = time.monotonic() + limit_s
    while not (found := happens()):
        assert alive(), "it ended meanwhile"
        assert time.monotonic() < end, f"it did not happen in {limit_s} s"
        time.sleep(0.05)
    return found


def send(
    images: Sequence[pydicom.Dataset], port: int, *, own_title: str = "MODALITY1", title: str = "CMR"
) -> list[int | None]:
    """Send images by C-STORE; gives the statuses, `None` where there was no answer."""
    entity = AE(own_title)
    entity.add_requested_context(MRImageStorage)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
    association = entity.associate("127.0.0.1", port, ae_title=title)
    if not association.is_established:
        return []
    statuses = []
    for image in images:
        if not association.is_established:
            break
        status = association.send_c_store(image)
        statuses.append(int(status.Status) if "Status" in status else None)
    association.release()
    return statuses


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def node_content(folder: Path, **changed: Any) -> dict[str, Any]:
    """What a configuration file says."""
    callers = [{"ae_title": "MODALITY1"}, {"ae_title": "ORTHANC"}]
    usual = {
        "folder": str(folder),
        "listen": {"port": 0, "status_port": 0, "callers": callers},
        "limits": {"free_disk_mb": 1},
        "stable_s": 0.3,
        "destinations": {"pacs": {"host": "127.0.0.1", "port": 1, "ae_title": "ORTHANC", "timeout_s": 10}},
        "rules": [{"name": "all", "send_to": ["pacs"]}],
    }
    return usual | changed


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc."""

    dicom_port: int
    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str) -> Any:
        return requests.get(f"{self.url}{path}", timeout=20).json()

    def put(self, path: str, content: Any) -> None:
        requests.put(f"{self.url}{path}", data=json.dumps(content), timeout=20).raise_for_status()

    def post(self, path: str, content: Any) -> Any:
        answer = requests.post(f"{self.url}{path}", data=json.dumps(content), timeout=60)
        answer.raise_for_status()
        return answer.json()

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def instances(self, modality: str) -> list[str]:
        """Orthanc's numbers of the instances of a modality."""
        return self.post("/tools/find", {"Level": "Instance", "Query": {"Modality": modality}})

    def file(self, instance: str) -> bytes:
        return requests.get(f"{self.url}/instances/{instance}/file", timeout=20).content
