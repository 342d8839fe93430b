"""DICOM libraries are silent inside, and as they were outside."""

from __future__ import annotations

import logging
import warnings

import pytest

from pipeline.core.quiet import quiet_dicom


def _warn(module: str, kind: type[Warning] = UserWarning) -> None:
    warnings.warn_explicit("an odd value", kind, "file.py", 1, module=module)


@pytest.mark.parametrize("module", ["pydicom", "pydicom.valuerep", "highdicom.seg.sop"])
def test_their_warnings_are_dropped_inside_alone(module: str) -> None:
    with quiet_dicom():
        _warn(module)
    with pytest.warns(UserWarning, match="odd value"):
        _warn(module)


@pytest.mark.parametrize(("module", "kind"), [("numpy", UserWarning), ("pydicom.valuerep", DeprecationWarning)])
def test_other_warnings_come_through(module: str, kind: type[Warning]) -> None:
    with pytest.warns(kind, match="odd value"), quiet_dicom():
        _warn(module, kind)


@pytest.mark.parametrize("name", ["pydicom", "highdicom"])
def test_their_logs_are_kept_to_errors_and_put_back(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=name):
        with quiet_dicom():
            logging.getLogger(name).warning("inside")
            logging.getLogger(name).error("worse")
        logging.getLogger(name).info("outside")
    assert [record.message for record in caplog.records] == ["worse", "outside"]


def test_levels_are_put_back_after_an_error() -> None:
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    before = [logger.level for logger in loggers]
    with pytest.raises(ValueError, match="broken"), quiet_dicom():
        raise ValueError("broken")
    assert [logger.level for logger in loggers] == before
    assert logging.ERROR not in before
