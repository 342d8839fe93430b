"""A scripted reader in Chromium corrects a phantom's study. Skipped where Chromium or its driver is not installed."""

from __future__ import annotations

import base64
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.seg import segread
from nibabel.nifti1 import load as load_nifti

from pipeline.phantom.study import PhantomStudy

CASE = "/api/cases/study"
READY = "return document.querySelector('.study')?.dataset.ready === 'true'"
SETTLED = "return document.querySelector('.saving').dataset.state === 'kept'"
EDV, ESV = "left_ventricle.edv_ml", "left_ventricle.esv_ml"
FETCH = """
const [url, body, done] = arguments;
const headers = {"X-CMR-Review": "1", "X-CMR-Reader": "Dr%20One", "Content-Type": "application/json"};
fetch(url, {method: body ? "POST" : "GET", headers, ...(body && {body})})
  .then((answer) => answer.arrayBuffer())
  .then((bytes) => done(btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""))));
"""
POOR_CONTRAST = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const rgba = (css) => {
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data];
};
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const colour = rgba(getComputedStyle(node).backgroundColor);
    if (colour[3] > 200) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const node of document.querySelectorAll("body *:not(script, style, svg, svg *, .strip *, :disabled)")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!own || !node.checkVisibility({visibilityProperty: true})) continue;
  const [a, b] = [light(rgba(getComputedStyle(node).color)), light(behind(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.push(`${node.tagName} ${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
}
return poor;
"""
"""WCAG 2.1, success criterion 1.4.3: texts whose contrast with what is behind them is below 4.5."""

NAMELESS = """
return [...document.querySelectorAll("button, a, input, select, textarea, [tabindex='0']")]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.length))
  .map((node) => node.outerHTML.slice(0, 120));
"""


class Server:
    """`cmr review OUT` as a process, and the addresses that it prints."""

    def __init__(self, out: Path) -> None:
        self.out = out
        command = [sys.executable, "-m", "pipeline", "review", str(out)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def link(self) -> str:
        """The next address that is printed."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if found := re.search(r"http://\S+", line):
                return found[0]
        raise AssertionError("the server ended")

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


class Reader:
    """Somebody at the browser. The page is driven by mouse and keys alone; `get` looks past it at the server."""

    def __init__(self, browser: Any, server: Server) -> None:
        self.browser, self.server = browser, server

    def go(self, url: str) -> None:
        self.browser.get(url)
        self.until("return !!document.querySelector('main, dialog[open]')")

    def open(self) -> None:
        self.find('[data-case="study"] a').click()
        self.until(READY)

    def until(self, script: str, *arguments: Any) -> None:
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.browser, 40, poll_frequency=0.1).until(lambda b: b.execute_script(script, *arguments))

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def press(self, *keys: str) -> None:
        """Keys one after another: `Shift+ArrowUp`, `b`, `Enter`."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        named = {"ArrowUp": Keys.ARROW_UP, "ArrowDown": Keys.ARROW_DOWN, "ArrowLeft": Keys.ARROW_LEFT}
        named |= {"ArrowRight": Keys.ARROW_RIGHT, "Enter": Keys.ENTER, "Delete": Keys.DELETE, "Escape": Keys.ESCAPE}
        chain = ActionChains(self.browser, duration=0)
        for key in keys:
            *held, last = key.split("+") if len(key) > 1 else [key]
            modifiers = [{"Shift": Keys.SHIFT, "Ctrl": Keys.CONTROL}[name] for name in held]
            for modifier in modifiers:
                chain.key_down(modifier)
            chain.send_keys(named.get(last, last))
            for modifier in reversed(modifiers):
                chain.key_up(modifier)
        chain.perform()

    def drag(self, *path: tuple[int, int]) -> None:
        """Draw along points of the large view, in pixels of the screen from its middle."""
        from selenium.webdriver.common.action_chains import ActionChains

        chain = ActionChains(self.browser, duration=20)
        chain.move_to_element_with_offset(self.find(".view.large .canvas"), *path[0]).click_and_hold()
        for before, after in pairwise(path):
            chain.move_by_offset(after[0] - before[0], after[1] - before[1])
        chain.release().perform()

    def settle(self) -> None:
        """Until the server has answered everything."""
        self.until(SETTLED)

    def number(self, name: str) -> float:
        return float(self.find(f'[data-number="{name}"]').get_attribute("data-value"))

    def get(self, place: str = "", body: dict[str, Any] | None = None) -> bytes:
        text = None if body is None else json.dumps(body)
        return base64.b64decode(self.browser.execute_async_script(FETCH, CASE + place, text))

    def facts(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.get())
        return content

    def labels(self) -> np.ndarray:
        """(T, Z, ROWS, COLS)."""
        return np.frombuffer(self.get("/labels"), np.uint8).reshape(self.facts()["shape"])

    def place(self) -> tuple[int, int]:
        """Phase and slice of the large view, from 0."""
        phase, level = re.findall(r"(\d+)/", self.find(".view.large .where").get_attribute("textContent"))
        return int(phase) - 1, int(level) - 1

    def discard(self) -> None:
        session = self.browser.execute_script("return sessionStorage.getItem('cmr-session:study')")
        self.get("/discard", {"session": session, "revision": self.facts()["revision"]})


@pytest.fixture(scope="module")
def browser(open_browser: Callable[..., Any]) -> Any:
    return open_browser(1300, 900, "--enable-unsafe-swiftshader")


@pytest.fixture(scope="module")
def server(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(Path(shutil.copytree(written, tmp_path_factory.mktemp("page") / "out")))
    yield server
    server.end()


@pytest.fixture(scope="module")
def arrived(browser: Any, server: Server) -> Reader:
    """A reader who came by the printed address and has given a name."""
    reader = Reader(browser, server)
    reader.go(server.link())
    reader.press(*"Dr One", "Enter")
    reader.until("return !!document.querySelector('[data-case]')")
    return reader


@pytest.fixture
def reader(arrived: Reader) -> Iterator[Reader]:
    """A reader with the study open. Afterwards: no console error, and no request that left the server."""
    arrived.go(arrived.browser.current_url.split("#")[0])
    arrived.until("return !!document.querySelector('[data-case]')")
    arrived.open()
    yield arrived
    arrived.settle()
    arrived.discard()
    errors = [entry["message"] for entry in arrived.browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [message for message in errors if "status of 409" not in message]  # as one test provokes
    events = [json.loads(entry["message"])["message"] for entry in arrived.browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    home = arrived.browser.current_url.split("#")[0]
    assert [url for url in asked if not url.startswith((home, "data:", "blob:"))] == []


def volume_ml(labels: np.ndarray, study: PhantomStudy, phase: int, value: int = 1) -> float:
    """A structure's volume, counted."""
    return float((labels[phase] == value).sum() * np.prod(study.image.grid.spacing_mm) / 1000)


def test_a_reader_corrects_a_study_with_the_mouse(reader: Reader, study: PhantomStudy) -> None:
    before = reader.labels()
    phase, level = reader.place()
    assert reader.number(EDV) == pytest.approx(volume_ml(before, study, phase), abs=1e-3)
    reader.press("1", "b")
    reader.drag((120, -60), (150, -60), (150, -90))
    reader.settle()
    drawn = reader.labels()
    changed = np.argwhere(drawn != before)
    assert len(changed) > 5
    assert {(t, z) for t, z, _, _ in changed.tolist()} == {(phase, level)}
    assert (drawn[drawn != before] == 1).all()
    assert reader.number(EDV) == pytest.approx(volume_ml(drawn, study, phase), abs=1e-3)
    assert reader.number(EDV) > volume_ml(before, study, phase)

    reader.press("z")
    reader.until(f"return document.querySelector('[data-number=\"{EDV}\"] .change').textContent === ''")
    assert (reader.labels() == before).all()
    reader.press("y")
    reader.until(f"return document.querySelector('[data-number=\"{EDV}\"] .change').textContent !== ''")
    assert (reader.labels() == drawn).all()

    reader.browser.refresh()
    reader.until(READY)
    assert "not saved yet" in reader.find(".notice").text
    assert reader.number(EDV) == pytest.approx(volume_ml(drawn, study, phase), abs=1e-3)

    reader.press("Ctrl+s")
    reader.press(*"Papillary muscle", "Ctrl+Enter")
    reader.until("return document.querySelector('.badges').textContent.includes('Corrected')")
    reader.until("return document.querySelector('.saving').textContent === 'Saved'")
    check_files(reader.server.out / "study", drawn, study, phase)


def check_files(folder: Path, drawn: np.ndarray, study: PhantomStudy, phase: int) -> None:
    """The files of a saved case hold what was drawn. Its pose shows (x, y) at row x and column n - 1 - y."""
    expected = np.moveaxis(drawn[..., ::-1], 1, -1)  # (T, Z, X, Y reversed) as (T, X, Y, Z)
    stored = np.asarray(load_nifti(folder / "segmentation.nii.gz").dataobj)
    assert (np.moveaxis(stored, -1, 0) == expected).all()
    volume = segread(folder / "seg_ed.dcm").get_volume(combine_segments=True, skip_overlap_checks=False)
    to_index = np.linalg.inv(study.image.grid.affine) @ np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    decoded = np.zeros_like(expected[phase])
    for index in np.argwhere(volume.array):
        place = np.rint(to_index @ [*index, 1.0])[:3].astype(int)
        decoded[tuple(place)] = volume.array[tuple(index)]
    assert (decoded == expected[phase]).all()
    record = json.loads((folder / "measurements.json").read_text())
    assert record["left_ventricle"]["edv_ml"] == pytest.approx(volume_ml(drawn, study, phase), abs=1e-3)
    assert record["review"]["reader"] == "Dr One"
    assert record["review"]["comment"] == "Papillary muscle"


def test_the_keyboard_alone_suffices(arrived: Reader, study: PhantomStudy) -> None:
    reader = arrived
    reader.go(reader.browser.current_url.split("#")[0])
    reader.until("return !!document.querySelector('[data-case]')")
    reader.press("ArrowDown", "Enter")
    reader.until(READY)
    before, (phase, level) = reader.labels(), reader.place()
    reader.press("s")
    es, _ = reader.place()
    reader.press("1", "b", "[", "k", "Enter", *["ArrowRight"] * 8, "Enter", "Escape")
    reader.settle()
    drawn = reader.labels()
    assert {(t, z) for t, z, _, _ in np.argwhere(drawn != before).tolist()} == {(es, level)}
    assert reader.number(ESV) == pytest.approx(volume_ml(drawn, study, es), abs=1e-3)
    assert reader.number(ESV) != volume_ml(before, study, es)

    reader.press("d", "x")
    reader.settle()
    others = np.arange(drawn.shape[1]) != level
    assert reader.number(EDV) == pytest.approx(volume_ml(drawn[:, others], study, phase), abs=1e-3)
    reader.press("x", "a")
    reader.press(*"By keys", "Ctrl+Enter")
    reader.until("return document.querySelector('.badges').textContent.includes('Accepted')")
    reader.press("h")
    reader.until("return document.querySelector('[data-case=study] .status')?.textContent === 'Accepted'")
    review = json.loads((reader.server.out / "study" / "measurements.json").read_text())["review"]
    assert (review["status"], review["comment"], review["excluded_slices"]) == ("accepted", "By keys", [])


def test_tools_change_what_they_say(reader: Reader) -> None:
    before, (phase, level) = reader.labels(), reader.place()
    towards_apex = 1 if reader.facts()["base"] == "first" else -1
    reader.press("Shift+ArrowDown")
    reader.settle()
    copied = reader.labels()
    assert (copied[phase, level + towards_apex] == before[phase, level]).all()
    reader.press("ArrowDown", "Delete")
    reader.settle()
    assert not reader.labels()[phase, level + towards_apex].any()
    reader.press("i")
    reader.settle()
    filled = reader.labels()[phase, level + towards_apex]
    ends = [before[phase, level], before[phase, level + 2 * towards_apex]]
    areas = sorted((plane == 1).sum() for plane in ends)
    assert areas[0] <= (filled == 1).sum() <= areas[1]
    reader.press("ArrowUp", "2", "k", "f", "Enter", "Escape")  # the pen starts in the heart's middle
    reader.settle()
    assert (reader.labels()[phase, level] != before[phase, level]).any()
    reader.press("z")
    reader.until("return !document.querySelector('[data-command=redo]').disabled")
    assert (reader.labels()[phase, level] == before[phase, level]).all()


def test_a_push_moves_the_border_before_it(reader: Reader) -> None:
    before, (phase, level) = reader.labels(), reader.place()
    reader.press("1", "p", "k", *["ArrowRight"] * 2, "Enter", *["ArrowRight"] * 4, "Enter", "Escape")
    reader.settle()
    pushed = reader.labels()
    was, now = before[phase, level], pushed[phase, level]
    assert (was != now).any()
    grown = (now == 1) & (was != 1)
    shrunk = (was == 1) & (now != 1)
    assert grown.any() != shrunk.any()  # from inside outwards, or from outside inwards, never both
    assert (now[shrunk] == 2).all()  # what the cavity gives up becomes wall


def test_flags_lead_to_their_place(reader: Reader) -> None:
    reader.press("s", "ArrowDown", "Delete")  # a gap in the stack
    phase, level = reader.place()
    reader.until("return [...document.querySelectorAll('.flag')].some((flag) => /Missing/.test(flag.textContent))")
    reader.press("ArrowUp", "d")
    reader.browser.execute_script(
        "[...document.querySelectorAll('.flag')].find((flag) => /Missing/.test(flag.textContent)).click()"
    )
    assert reader.place() == (phase, level)


def test_a_second_reader_reads_only(reader: Reader) -> None:
    first, home = reader.browser.current_window_handle, reader.browser.current_url.split("#")[0]
    before = reader.labels()
    reader.browser.execute_script("localStorage.setItem('cmr-reader', 'Dr Two')")
    try:
        reader.browser.switch_to.new_window("tab")
        reader.go(home)
        reader.open()
        assert reader.find(".notice").text == "Held by Dr One: read only."
        reader.drag((0, 0), (60, 0))
        assert "read only" in reader.find(".toast").text
        reader.press("Delete")
        assert (reader.labels() == before).all()
        reader.browser.close()
    finally:
        reader.browser.switch_to.window(first)
        reader.browser.execute_script("localStorage.setItem('cmr-reader', 'Dr One')")


def test_a_study_that_moved_on_is_read_again(reader: Reader) -> None:
    facts = reader.facts()
    session = reader.browser.execute_script("return sessionStorage.getItem('cmr-session:study')")
    choices = {"ed": None, "es": None, "excluded_slices": [0]}
    reader.get("/choices", {"session": session, "revision": facts["revision"], **choices})
    reader.drag((0, 0), (40, 0))
    reader.until("return /read again/.test(document.querySelector('.toast').textContent)")
    reader.until(READY)
    reader.until("return !!document.querySelector('.strip .excluded')")


@pytest.mark.parametrize("width", [1440, 1100, 390])
def test_it_is_legible_at_each_width_in_both_themes(reader: Reader, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    reader.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        for _ in ("dark", "light"):
            assert reader.browser.execute_script(POOR_CONTRAST) == []
            assert reader.browser.execute_script("return document.documentElement.scrollWidth") <= width
            assert "Not for diagnosis" in reader.find("header").text
            assert reader.browser.execute_script(NAMELESS) == []
            reader.press("Shift+t")
    finally:
        reader.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
