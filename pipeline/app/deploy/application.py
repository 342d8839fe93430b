"""The application of MONAI Deploy: finder > segmentation."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application

from pipeline.app.case_results import CaseResult
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.deploy.operators import CineFinderOperator, CineSegmentationOperator
from pipeline.app.predict import CaseRunner
from pipeline.app.segmenter import Segmenter
from pipeline.core.errors import BundleError

__all__ = ["CineApplication", "bundle_at"]

_log = logging.getLogger(__name__)


class CineApplication(Application):
    """Segments every study in the input folder. Paths are given as Deploy gives them, by `-i -o -m` or `HOLOSCAN_*`.

    Attributes:
        results: of the cases, in their order, once the application has run.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.results: list[CaseResult] = []
        super().__init__(*args, **kwargs)

    def compose(self) -> None:
        """Make the operators and connect them.

        Raises:
            PipelineError: the bundle or the output folder cannot be used.
        """
        context = Application.init_app_context(self.argv)
        runner = CaseRunner(Segmenter(bundle_at(Path(context.model_path))), Path(context.output_path))
        once, folder = CountCondition(self, 1), Path(context.input_path)
        finder = CineFinderOperator(self, once, input_folder=folder, name="cine_finder")
        segmentation = CineSegmentationOperator(self, runner=runner, tell=self.results.append, name="cine_segmentation")
        self.add_flow(finder, segmentation, {("cases", "cases")})

    def report_failures(self) -> int:
        """Log why cases failed: the exit code of the application, 1 if any did or there were none."""
        failed = [result for result in self.results if result.error is not None]
        for result in failed:
            _log.error("%s: %s", result.name, result.error)
        return 1 if failed or not self.results else 0


def bundle_at(models: Path) -> str | Path:
    """The bundle that Deploy's path of models leads to; the default one where there is nothing.

    Args:
        models: a bundle's folder, or as in Deploy's packages the folder above it.

    Raises:
        BundleError: something else, or several bundles.
    """
    below = sorted(models.glob("*"))
    if not models.exists() or (models.is_dir() and not below):
        return DEFAULT_BUNDLE
    found = [folder for folder in (models, *below) if (folder / "configs" / "inference.json").is_file()]
    if len(found) != 1:
        names = [folder.name for folder in found]
        raise BundleError(f"the path of models must lead to one bundle's folder, {models} leads to {names or 'none'}")
    return found[0]
