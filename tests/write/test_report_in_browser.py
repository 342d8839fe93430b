"""The pages in a real browser, opened from disk. Skipped where Chromium or its driver is not installed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.geometry import Grid
from pipeline.core.images import Cine
from pipeline.core.measurements import Measurements
from pipeline.phantom.study import PhantomStudy
from pipeline.write.pages.report import write_report
from pipeline.write.pages.worklist import Study, write_worklist

CONTRAST = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const numbers = (css) => css.match(/[0-9.]+/g).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (node) => {
  for (; node; node = node.parentElement) {
    const colour = numbers(getComputedStyle(node).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const node of document.querySelectorAll("body *:not(script, style, svg, svg *)")) {
  const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  if (!own || node.checkVisibility() === false) continue;
  const [a, b] = [light(numbers(getComputedStyle(node).color)), light(behind(node))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.push(`${node.tagName} ${node.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
}
return poor;
"""
"""WCAG 2.1, success criterion 1.4.3: texts whose contrast with what is behind them is below 4.5."""

GREY_AT = """
const c = document.querySelector("canvas");
return c.getContext("2d").getImageData(Math.round(arguments[0] * c.width), c.height / 2, 1, 1).data[0];
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield session
    session.quit()


@pytest.fixture
def page(browser: Any, tmp_path: Path, phantom: PhantomStudy, measured: dict[str, Any], as_case) -> Any:
    case = as_case(phantom.image, measured, phantom.label.array)
    return opened(browser, write_report(tmp_path / "report.html", case))


def opened(browser: Any, path: Path) -> Any:
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(path.as_uri())
    if browser.find_elements("id", "player"):
        until(browser, "return document.getElementById('player').dataset.ready === 'true'")
    return browser


def until(browser: Any, script: str) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(browser, 20, poll_frequency=0.02).until(lambda session: session.execute_script(script))


def part(page: Any, name: str) -> Any:
    return page.find_element("css selector", f'#player [data-part="{name}"]')


def where(page: Any) -> str:
    return str(part(page, "where").text)


def pixels(page: Any) -> str:
    return str(page.execute_script("return document.querySelector('canvas').toDataURL()"))


def press(element: Any, *keys: str) -> None:
    from selenium.webdriver.common.keys import Keys

    for key in keys:
        element.send_keys(getattr(Keys, key, key))


def test_it_opens_from_disk_without_errors_or_requests(page: Any) -> None:
    assert page.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [page.current_url]


def test_it_starts_at_end_diastole_with_a_picture(page: Any, measured: dict[str, Any]) -> None:
    assert where(page).startswith(f"phase {measured['ed_phase'] + 1} of 8 · 0 ms\nslice ")
    assert part(page, "mark").text == "ED"
    script = "const c = document.querySelector('canvas');"
    script += "return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert page.execute_script(script) > 100


def test_keys_step_through_phases_and_slices(page: Any) -> None:
    stage, shown = part(page, "stage"), [pixels(page)]
    first = int(where(page).split("slice ")[1].split()[0])
    press(stage, "ARROW_RIGHT")
    assert where(page).startswith("phase 2 of 8")
    shown.append(pixels(page))
    press(stage, "ARROW_UP")
    assert where(page).endswith(f"slice {first + 1} of 8")
    shown.append(pixels(page))
    assert len(set(shown)) == 3
    press(stage, "ARROW_DOWN", "ARROW_LEFT")
    assert pixels(page) == shown[0]
    press(stage, "ARROW_LEFT")
    assert where(page).startswith("phase 8 of 8")  # a beat is a cycle
    press(stage, *["ARROW_UP"] * 9)
    assert where(page).endswith("slice 8 of 8")  # a stack is not
    assert stage.get_attribute("aria-label") == "Short axis, " + where(page).replace("\n", ", ")


def test_space_plays_and_stops(page: Any) -> None:
    stage = part(page, "stage")
    press(stage, " ")
    assert part(page, "play").text == "Pause"
    until(page, "return document.querySelector('[data-part=where]').textContent.startsWith('phase 3')")
    press(stage, " ")
    assert part(page, "play").text == "Play"
    stopped = where(page)
    assert page.execute_async_script("setTimeout(arguments[0], 300, true)")
    assert where(page) == stopped


def test_sliders_have_their_own_keys(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    first = int(part(page, "slice").get_attribute("value"))
    for name in ("phase", "slice"):
        page.execute_script("arguments[0].focus()", part(page, name))
        ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert where(page).startswith("phase 2 of 8")
    assert where(page).endswith(f"slice {first + 2} of 8")
    ActionChains(page).send_keys("c").perform()
    assert not part(page, "contours").is_selected()


def test_contours_go_and_come_back(page: Any) -> None:
    with_outlines = pixels(page)
    press(part(page, "stage"), "c")
    assert not part(page, "contours").is_selected()
    without = pixels(page)
    assert without != with_outlines
    part(page, "contours").click()
    assert pixels(page) == with_outlines


def test_a_flag_moves_the_player(page: Any, measured: dict[str, Any]) -> None:
    press(page.find_element("css selector", "ul.flags a[data-slice]"), "ENTER")
    assert where(page).startswith(f"phase {measured['es_phase'] + 1} of")
    assert where(page).endswith("slice 3 of 8")
    assert part(page, "mark").text == "ES"
    assert page.switch_to.active_element == part(page, "stage")


def test_the_curve_and_the_slices_move_the_player(page: Any) -> None:
    cursor = page.find_element("id", "chart-cursor")
    at_first = cursor.get_attribute("x1")
    page.find_element("css selector", '#chart [data-phase="4"]').click()
    assert where(page).startswith("phase 5 of 8")
    assert cursor.get_attribute("x1") != at_first
    tile = page.find_element("css selector", '.montage [data-phase="0"][data-slice="1"]')
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", tile)
    tile.click()
    assert where(page).endswith("slice 2 of 8")


def test_paper_has_the_slices_in_place_of_the_player(page: Any) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not page.find_element("id", "player").is_displayed()
        montages = page.find_elements("css selector", ".montage img")
        assert len(montages) == 2
        assert all(image.is_displayed() for image in montages)
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("width", [1400, 1100, 500])
def test_nothing_hangs_over_the_edge_and_all_text_is_legible(page: Any, width: int) -> None:
    page.set_window_size(width, 1000)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        assert page.execute_script(CONTRAST) == []
    finally:
        page.set_window_size(1400, 1000)


def test_a_single_phase_of_pixels_that_are_not_square(browser: Any, tmp_path: Path, as_case) -> None:
    array = np.empty((1, 40, 20, 9), np.float32)
    array[:] = 20.0 * np.arange(9)
    array[:, 20:] += 10.0  # brighter on the right
    cine = Cine(array, Grid((40, 20, 9), np.diag([1.0, 3.0, 8.0, 1.0])))
    page = opened(browser, write_report(tmp_path / "r.html", as_case(cine, {})))
    assert page.get_log("browser") == []
    assert not part(page, "play").is_enabled()
    size = part(page, "canvas").size
    assert size["width"] / size["height"] == pytest.approx(40 / 60, rel=0.01)
    press(part(page, "stage"), *["ARROW_DOWN"] * 9)
    for z in range(9):
        assert where(page) == f"phase 1 of 1\nslice {z + 1} of 9"
        shown = [page.execute_script(GREY_AT, share) for share in (0.25, 0.75)]
        assert shown == pytest.approx([255 * (20 * z) / 170, 255 * (20 * z + 10) / 170], abs=4)
        press(part(page, "stage"), "ARROW_UP")


def test_the_worklist_sorts_and_links(
    browser: Any, tmp_path: Path, phantom: PhantomStudy, measured: dict[str, Any], as_case
) -> None:
    def of(edv_ml: float, verdict: str) -> Measurements:
        left = measured["left_ventricle"] | {"edv_ml": edv_ml}
        changed = {"left_ventricle": left, "quality": {"verdict": verdict, "flags": []}}
        return Measurements.from_json(measured | changed)

    studies = [Study(f"case {n}", f"case {n}/report.html", of(ml, "pass")) for n, ml in ((2, 99.5), (10, 120.0))]
    studies += [Study("broken", error="slice 3 is missing"), Study("odd", measured=of(1000.0, "fail"))]
    write_report(tmp_path / "case 2" / "report.html", as_case(phantom.image, measured, phantom.label.array))
    page = opened(browser, write_worklist(tmp_path / "index.html", studies))

    def order() -> list[str]:
        return [row.text for row in page.find_elements("css selector", "tbody th")]

    def head(title: str) -> Any:
        return page.find_element("xpath", f"//thead//button[contains(., '{title}')]")

    assert order() == ["broken", "odd", "case 10", "case 2"]
    head("LV EDV").click()
    assert order() == ["case 2", "case 10", "odd", "broken"]
    press(head("LV EDV"), "ENTER")
    assert order() == ["odd", "case 10", "case 2", "broken"]
    assert head("LV EDV").find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    head("Case").click()
    assert order() == ["broken", "case 2", "case 10", "odd"]  # numbers within names count as numbers
    head("Verdict").click()
    assert order() == ["broken", "odd", "case 10", "case 2"]
    assert page.execute_script(CONTRAST) == []
    page.find_element("link text", "case 2").click()
    until(page, "return document.getElementById('player')?.dataset.ready === 'true'")
    assert page.get_log("browser") == []
