"""Every command and every block of Python of README and the site runs as it is written (`make docs-commands`).

It takes half an hour on two cores, and is no part of `make test`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.docs.blocks import documents
from tools.docs.commands import ROOT
from tools.docs.run import run_page


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What several pages need, made once."""
    return tmp_path_factory.mktemp("store")


@pytest.mark.documented
@pytest.mark.parametrize("page", documents(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_does_what_it_says(page: Path, store: Path, tmp_path: Path) -> None:
    failed = []
    for ran in run_page(page, tmp_path, store):
        print(ran, flush=True)
        failed += [ran] if ran.error else []
    assert not failed, "\n".join(map(str, failed))
