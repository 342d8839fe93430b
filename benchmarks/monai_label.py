"""A packaged bundle in an unpatched MONAI Label server: listed, asked for NIfTI and for a DICOM study, fine-tuned.

    python benchmarks/monai_label.py BUNDLE --label-env ENV --acdc ACDC --dicom STUDY -o OUT

ENV is an environment with MONAI Label 0.8.5 and what it needs, see docs/monai-places.md. The server runs MONAI's own
sample app `monaibundle` with the package of `cmr bundle package` in its model folder. Every answer is compared with
this library's own. The exit code is not 0 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pipeline import Segmenter, measure_study, read_cine
from pipeline.app.bundles import find_bundle
from pipeline.app.package import package_bundle

_PATIENTS, _START_S, _WORK_S = 5, 300, 1800


def main() -> None:
    """Start the server and ask it for everything."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("bundle")
    options.add_argument("--label-env", type=Path, required=True)
    options.add_argument("--acdc", type=Path, required=True)
    options.add_argument("--dicom", type=Path, required=True)
    options.add_argument("-o", "--out", type=Path, required=True)
    chosen = options.parse_args()
    app, studies = _lay_out(chosen.bundle, chosen.label_env, chosen.out)
    images = _copy_patients(chosen.acdc, studies)
    name, segmenter = find_bundle(chosen.bundle).resolve().name, Segmenter(chosen.bundle, device="cpu")
    with _server(chosen.label_env, app, studies, name) as url:
        info = json.loads(_ask(url, "/info/"))
        print("listed:", json.dumps(info["models"][name]), "trainer:", name in info["trainers"])
        _compare(url, name, images[0], segmenter, {}, chosen.out)
        for phase in ("ed", "es"):
            _compare(url, name, chosen.dicom, segmenter, {"phase": phase}, chosen.out)
        for image in images:
            _upload_label(url, image, image.with_name(image.name.replace(".nii.gz", "_gt.nii.gz")), chosen.acdc)
        before = (app / "model" / name / "models" / "model.pt").read_bytes()
        _train(url, name)
        assert (app / "model" / name / "models" / "model.pt").read_bytes() != before, "no weights were saved"
        print("trained one epoch:", (app / "model" / name / "eval" / "kept.json").read_text(encoding="utf-8"))
        answer = _infer(url, name, str(images[0]), {}, chosen.out)
        print("asked with the new weights:", np.unique(np.asarray(answer.dataobj), return_counts=True))


def _lay_out(bundle: str, env: Path, out: Path) -> tuple[Path, Path]:
    """MONAI's sample app with the package in it, and a folder of studies."""
    app, studies = out / "app", out / "studies"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(env / "monailabel" / "sample-apps" / "monaibundle", app)
    studies.mkdir()
    with zipfile.ZipFile(package_bundle(find_bundle(bundle), out / "dist")) as package:
        package.extractall(app / "model")
    return app, studies


def _copy_patients(acdc: Path, studies: Path) -> list[Path]:
    """End-diastole of some patients, without their labels."""
    found = [
        next(path for path in sorted(folder.glob("*_frame*.nii.gz")) if "_gt" not in path.name)
        for folder in sorted(acdc.glob("patient*"))[:_PATIENTS]
    ]
    return [Path(shutil.copy(image, studies)) for image in found]


@contextmanager
def _server(env: Path, app: Path, studies: Path, name: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [env / "bin" / "monailabel", "start_server", "--app", app, "--studies", studies]
    command += ["--host", "127.0.0.1", "--port", port, "--conf", "models", name, "--conf", "zoo_source", "github"]
    settings = os.environ | {
        "PATH": f"{env / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": "",
        "PYTHONWARNINGS": "ignore",
    }
    with (app.parent / "server.log").open("w") as log:
        server = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, env=settings)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(lambda: _ask(url, "/info/"), _START_S, server)
            yield url
        finally:
            server.terminate()
            server.wait(30)


def _wait(ask: Any, seconds: float, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            ask()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(1)


def _ask(url: str, path: str, fields: Mapping[str, Any] | None = None, *, method: str | None = None) -> bytes:
    """An address's answer; `fields` go as a form, paths as files."""
    if fields is None:
        request = urllib.request.Request(url + path, method=method)  # noqa: S310 our own server's address
    else:
        mark, parts = "cmr-form-boundary", []
        for key, value in fields.items():
            named = f'; filename="{value.name}"' if isinstance(value, Path) else ""
            head = f'--{mark}\r\nContent-Disposition: form-data; name="{key}"{named}\r\n\r\n'.encode()
            parts.append(head + (value.read_bytes() if isinstance(value, Path) else str(value).encode()) + b"\r\n")
        body = b"".join(parts) + f"--{mark}--\r\n".encode()
        request = urllib.request.Request(url + path, body, method=method)  # noqa: S310
        request.add_header("Content-Type", f"multipart/form-data; boundary={mark}")
    with urllib.request.urlopen(request, timeout=_WORK_S) as answer:  # noqa: S310 our own server's address
        return bytes(answer.read())


def _infer(url: str, name: str, image: str, params: Mapping[str, Any], out: Path) -> nib.Nifti1Image:
    fields = {"params": json.dumps({"device": "cpu", "result_extension": ".nii.gz", **params})}
    address = f"/infer/{name}?{urllib.parse.urlencode({'image': image, 'output': 'image'})}"
    target = out / f"answer-{len(list(out.glob('answer-*')))}.nii.gz"
    target.write_bytes(_ask(url, address, fields))
    return nib.load(target)


def _compare(url: str, name: str, source: Path, segmenter: Segmenter, params: Mapping[str, Any], out: Path) -> None:
    """The server's answer beside this library's own, voxel for voxel and place for place."""
    start = time.monotonic()
    answer = _infer(url, name, str(source), params, out)
    seconds, labels = time.monotonic() - start, np.asarray(answer.dataobj)
    cine = read_cine(source)
    ours = segmenter.segment(cine).labels
    measured = measure_study(cine, ours)
    phase = 0 if len(ours) == 1 else measured.ed_phase if params.get("phase") == "ed" else measured.es_phase
    assert labels.shape == ours.shape[1:], (labels.shape, ours.shape)
    np.testing.assert_allclose(answer.affine, cine.grid.affine, atol=1e-3)
    n_different = int((labels != ours[phase]).sum())
    print(f"{source.name} {dict(params)}: {seconds:.0f} s, phase {phase}, {n_different} of {labels.size} voxels differ")
    assert n_different <= 1e-4 * labels.size


def _upload_label(url: str, image: Path, label: Path, acdc: Path) -> None:
    """A patient's label map, in our values, as a reader would submit it."""
    truth = nib.load(next(acdc.glob(f"*/{label.name}")))
    values = np.choose(np.asarray(truth.dataobj).astype(int), [0, 3, 2, 1]).astype(
        np.uint8
    )  # ACDC counts from the right
    nib.save(nib.Nifti1Image(values, truth.affine), image.parent.parent / label.name)
    query = urllib.parse.urlencode({"image": image.name.removesuffix(".nii.gz"), "tag": "final"})
    _ask(url, f"/datastore/label?{query}", {"params": "{}", "label": image.parent.parent / label.name}, method="PUT")


def _train(url: str, name: str) -> None:
    """One epoch, as a task of the server's own."""
    settings = {"max_epochs": 1, "device": "cpu", "val_split": 0.2, "multi_gpu": False}
    start = time.monotonic()
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/train/{name}", json.dumps(settings).encode(), head)  # noqa: S310
    with urllib.request.urlopen(request, timeout=_WORK_S) as answer:  # noqa: S310 our own server's address
        answer.read()
    while (task := json.loads(_ask(url, "/train/")))["status"] in (
        "SUBMITTED",
        "RUNNING",
    ) and time.monotonic() < start + _WORK_S:
        time.sleep(2)
    print(f"training: {task['status']} after {time.monotonic() - start:.0f} s")
    assert task["status"] == "DONE", task


if __name__ == "__main__":
    main()
