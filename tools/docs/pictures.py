"""Make the documentation's pictures: report, worklist and review page of one study, as a browser shows them.

    cmr segment sunnybrook/dicom -o OUT
    python tools/docs/pictures.py OUT SCD0000201

writes docs/pictures/*.webp. It needs Chromium and its driver. The study must be one that may be shown: Sunnybrook's are
CC0 and de-identified.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

PICTURES = Path(__file__).parents[2] / "docs/pictures"
READY = "return document.querySelector('.study')?.dataset.ready === 'true'"
SECTIONS = {
    "Quality": "report-quality",
    "Function": "report-function",
    "Confidence": "report-confidence",
    "Volume over the beat": "report-curve",
    "All slices": "report-slices",
    "Wall of the left ventricle": "report-wall",
    "Wall motion over the beat": "report-motion",
}
"""The report's sections that are shown one by one, by their headings."""


def main() -> None:
    """Make all pictures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("out", type=Path, help="folder of results, as of cmr segment")
    arguments.add_argument("case", help="name of the case to show")
    given = arguments.parse_args()
    PICTURES.mkdir(exist_ok=True)
    with browser(1280, 900) as page:
        picture_report(page, given.out / given.case / "report.html")
        page.set_window_size(1280, 900)
        page.get((given.out / "index.html").resolve().as_uri())
        keep(page, "worklist", height=500)
    with browser(1400, 950) as page, review_server(given.out) as link:
        picture_review(page, link, given.case)


@contextlib.contextmanager
def browser(width: int, height: int, *arguments: str) -> Iterator[Any]:
    """Headless Chromium of a window's size."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    usual = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars")
    for argument in (*usual, f"--window-size={width},{height}", *arguments):
        options.add_argument(argument)
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield session
    finally:
        session.quit()


def keep(page: Any, name: str, *, element: Any = None, height: int | None = None, width: int = 1280) -> None:
    """Keep what the browser shows, or one element of it, as a small picture."""
    png = page.get_screenshot_as_png() if element is None else element.screenshot_as_png
    image = Image.open(io.BytesIO(png)).convert("RGB")
    if element is not None:
        image = ImageOps.expand(image, 12, image.getpixel((image.width - 1, 0)))
    image = image.crop((0, 0, image.width, min(image.height, height or image.height)))
    image.thumbnail((width, 4000))
    image.save(PICTURES / f"{name}.webp", quality=80, method=6)


def picture_report(page: Any, report: Path) -> None:
    """The head of the report, and each of its sections."""
    page.set_window_size(1280, 4000)  # elements are pictured whole only where they are in view
    page.get(report.resolve().as_uri())
    time.sleep(1)
    keep(page, "report", height=960)
    for heading in page.find_elements("css selector", "h2"):
        if name := SECTIONS.get(heading.text):
            keep(
                page,
                name,
                element=heading.find_element("xpath", "./.."),
                height=430 if name == "report-slices" else 700,
            )


@contextlib.contextmanager
def review_server(out: Path) -> Iterator[str]:
    """`cmr review OUT`, and the link that it prints."""
    command = [sys.executable, "-m", "pipeline", "review", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield found[0]
                return
    finally:
        process.terminate()
        process.wait(10)


def picture_review(page: Any, link: str, case: str) -> None:
    """The review page with a study open."""
    from selenium.webdriver.support.wait import WebDriverWait

    page.get(link)
    time.sleep(3)
    page.find_element("css selector", "dialog input").send_keys("A reader\n")
    time.sleep(1)
    page.find_element("css selector", f'[data-case="{case}"] a').click()
    WebDriverWait(page, 120).until(lambda shown: shown.execute_script(READY))
    time.sleep(2)
    keep(page, "review", width=1400)


if __name__ == "__main__":
    main()
