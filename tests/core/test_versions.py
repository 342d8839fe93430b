"""A bundle fits the library of its own major and minor version."""

from __future__ import annotations

import pytest

import pipeline
from pipeline.core.errors import BundleError
from pipeline.core.versions import require


@pytest.fixture(autouse=True)
def _this_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "__version__", "1.12.3")


@pytest.mark.parametrize("version", ["1.12.3", "1.12.0", "1.12.40", "1.12"])
def test_patch_releases_may_differ(version: str) -> None:
    require(version)


@pytest.mark.parametrize("version", ["1.11.3", "1.13.3", "0.12.3", "2.12.3", "1.1.2.3", "1", ""])
def test_others_are_refused_with_both_versions(version: str) -> None:
    with pytest.raises(BundleError, match=rf"needs version {version} of .*this is 1\.12\.3"):
        require(version)
