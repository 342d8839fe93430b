"""The whole way in minutes: phantom studies, a short training, a held-out study segmented through DICOM."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.app.bundles import DEFAULT_BUNDLE, copy_bundle, find_bundle, run_workflow
from pipeline.app.predict import Segmenter
from pipeline.phantom.dataset import write_dataset
from pipeline.read.cine import read_cine
from pipeline.read.discover import find_cases
from pipeline.write.overlay import write_overlay

__all__ = ["run_demo"]
