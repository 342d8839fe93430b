"""Operators of MONAI Deploy that read cines as this library does.

Deploy's own loader keeps one image of each position and its converter makes one volume of a series, so neither can hold
a beat. These find studies, series and phases by `read`, and run the bundle without its own loader and writers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai.deploy.core import ConditionType, Fragment, Operator, OperatorSpec

from pipeline.app.case_results import CaseResult
from pipeline.app.predict import CaseRunner
from pipeline.app.worklist import update_worklist
from pipeline.core.errors import ConfigError
from pipeline.read.discover import CaseFiles, find_cases

__all__ = ["CineFinderOperator", "CineSegmentationOperator"]

_log = logging.getLogger(__name__)


class CineFinderOperator(Operator):
    """Finds the studies in a folder. Named input `input_folder` (a path, optional); named output `cases`.

    Args:
        fragment: the application.
        args: conditions, as Deploy's operators take them.
        input_folder: where no path comes in: DICOM or NIfTI, a file or a folder of studies.
        kwargs: further arguments of an operator, such as `name`.
    """

    def __init__(self, fragment: Fragment, *args: Any, input_folder: Path | None = None, **kwargs: Any) -> None:
        self.input_folder = input_folder
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """State the ports."""
        spec.input("input_folder").condition(ConditionType.NONE)  # no other operator need send one
        spec.output("cases")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:  # noqa: ARG002, Deploy's signature
        """Send a `list[CaseFiles]`.

        Raises:
            ConfigError: no folder was given.
            UnreadableError: there is no image.
        """
        folder = op_input.receive("input_folder") or self.input_folder
        if folder is None:
            raise ConfigError("a folder of studies is needed, as `input_folder` or by `-i`, got none")
        cases = find_cases(folder)
        _log.info("%d case(s) found in %s", len(cases), folder)
        op_output.emit(cases, "cases")


class CineSegmentationOperator(Operator):
    """Segments and measures each case and writes its files. Named input `cases`; named output `results`.

    A case that fails is told in its result, and the others go on. The files are those of `cmr segment`: label map,
    measurements, report, and for DICOM images a SEG of each of ED and ES and a structured report.

    Args:
        fragment: the application.
        args: conditions, as Deploy's operators take them.
        runner: the loaded bundle and the folder of results.
        tell: is called with each result, and so learns them where no operator takes `results`.
        kwargs: further arguments of an operator, such as `name`.
    """

    def __init__(
        self, fragment: Fragment, *args: Any, runner: CaseRunner, tell: Callable[[CaseResult], None], **kwargs: Any
    ) -> None:
        self.runner = runner
        self.tell = tell
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """State the ports."""
        spec.input("cases")
        spec.output("results").condition(ConditionType.NONE)  # no other operator need take them

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:  # noqa: ARG002, Deploy's signature
        """Take a `Sequence[CaseFiles]`, send a `list[CaseResult]`.

        Raises:
            OSError: the folder of results cannot be written to.
        """
        cases: Sequence[CaseFiles] = op_input.receive("cases")
        results = []
        for case in cases:
            results.append(self.runner.attempt(case))
            self.tell(results[-1])
        update_worklist(self.runner.request.out)
        op_output.emit(results, "results")
