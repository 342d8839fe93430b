from pipeline.app.predict import CaseRunner as CaseRunner
from pipeline.app.predict import segment_path as segment_path
from pipeline.app.segmenter import Segmenter as Segmenter
from pipeline.app.segmenter import segment as segment
from pipeline.core.case import Case as Case
from pipeline.core.errors import PipelineError as PipelineError
from pipeline.core.geometry import Grid as Grid
from pipeline.core.images import Cine as Cine
from pipeline.core.measurements import Measurements as Measurements
from pipeline.measure.study import measure_study as measure_study
from pipeline.read.cine import read_cine as read_cine
from pipeline.read.discover import find_cases as find_cases

__version__: str
