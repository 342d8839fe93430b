"""Ventricle segmentations, volumes and ejection fraction from cardiac cine MRI. Not for diagnosis.

The names that most programs need are here. Each is loaded when it is first accessed:

    from pipeline import segment

    case = segment("STUDY")                 # a DICOM folder or a NIfTI file
    print(case.measurements.left.ef_percent, case.measurements.quality.verdict)
"""

from importlib import import_module

__version__ = "0.1.0"

_FRONT_DOOR = {
    "Case": "pipeline.core.case",
    "CaseRunner": "pipeline.app.predict",
    "Cine": "pipeline.core.images",
    "Grid": "pipeline.core.geometry",
    "Measurements": "pipeline.core.measurements",
    "PipelineError": "pipeline.core.errors",
    "Segmenter": "pipeline.app.segmenter",
    "find_cases": "pipeline.read.discover",
    "measure_study": "pipeline.measure.study",
    "read_cine": "pipeline.read.cine",
    "segment": "pipeline.app.segmenter",
    "segment_path": "pipeline.app.predict",
}

__all__ = ["__version__", *_FRONT_DOOR]


def __getattr__(name: str) -> object:
    if name not in _FRONT_DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    return getattr(import_module(_FRONT_DOOR[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_FRONT_DOOR]
