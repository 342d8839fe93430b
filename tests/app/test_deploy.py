"""The application for MONAI Deploy, by the documented interface; Deploy itself runs in `benchmarks/monai_deploy.py`."""

from __future__ import annotations

import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pydicom
import pytest
import yaml

import pipeline.app
from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.segmenter import segment
from pipeline.core.errors import BundleError, ConfigError

from . import deploy_stand_in

FOLDER = Path(pipeline.app.__file__).parent / "deploy"


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The application's module, with the stand-in for Deploy."""
    for name, module in deploy_stand_in.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    import pipeline.app.deploy.application as found

    yield found
    for name in [name for name in sys.modules if name.startswith("pipeline.app.deploy")]:
        del sys.modules[name]


def _start(study: Path, out: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the folder as Deploy runs it: the exit code."""
    argv = ["app", "-i", str(study), "-o", str(out), "-m", str(bundle)]
    monkeypatch.setattr(deploy_stand_in.Application.__init__, "__defaults__", (argv,))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / "__main__.py"), run_name="__main__")
    return int(ended.value.code or 0)


def test_a_study_comes_out_as_seg_and_sr_with_the_bundle_s_own_labels(
    application: ModuleType, studies: Path, untrained_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _start(studies / "one", tmp_path / "out", untrained_bundle, monkeypatch) == 0
    (folder,) = (path.parent for path in (tmp_path / "out").glob("*/measurements.json"))
    found = np.asarray(nib.load(folder / "segmentation.nii.gz").dataobj)
    wanted = segment(studies / "one", bundle=untrained_bundle).labels
    np.testing.assert_array_equal(np.moveaxis(found, -1, 0), wanted)
    assert pydicom.dcmread(folder / "sr.dcm").Modality == "SR"
    assert {pydicom.dcmread(folder / f"seg_{name}.dcm").Modality for name in ("ed", "es")} == {"SEG"}
    assert (tmp_path / "out" / "index.html").is_file()


def test_a_bad_study_costs_itself_and_the_exit_code(
    application: ModuleType,
    studies: Path,
    untrained_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shutil.copytree(studies / "broken", tmp_path / "in" / "broken")
    shutil.copy(studies / "three.nii", tmp_path / "in")
    assert _start(tmp_path / "in", tmp_path / "out", untrained_bundle, monkeypatch) == 1
    assert len(list((tmp_path / "out").glob("*/segmentation.nii.gz"))) == 1
    assert [record.getMessage() for record in caplog.records if record.getMessage().startswith("broken: ")]


def test_the_folder_of_models_leads_to_one_bundle(application: ModuleType, tmp_path: Path) -> None:
    assert application.bundle_at(tmp_path / "none") == DEFAULT_BUNDLE
    assert application.bundle_at(tmp_path) == DEFAULT_BUNDLE
    one = copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path / "one")
    assert application.bundle_at(one) == application.bundle_at(tmp_path) == one
    with pytest.raises(BundleError, match="leads to none"):
        application.bundle_at(one / "docs")
    copy_bundle(one, tmp_path / "two")
    with pytest.raises(BundleError, match=r"leads to \['one', 'two'\]"):
        application.bundle_at(tmp_path)


def test_a_finder_takes_the_folder_that_comes_in(application: ModuleType, studies: Path) -> None:
    fragment = deploy_stand_in.Fragment()
    finder = application.CineFinderOperator(fragment, input_folder=studies)
    assert len(finder.once({})["cases"]) == 4
    assert len(finder.once({"input_folder": studies / "one"})["cases"]) == 1
    with pytest.raises(ConfigError, match="by `-i`, got none"):
        application.CineFinderOperator(fragment).once({})


def test_the_packager_is_told_what_it_asks_for() -> None:
    told = yaml.safe_load((FOLDER / "app.yaml").read_text(encoding="utf-8"))
    assert told["application"]["version"] == pipeline.__version__
    assert "not for diagnosis" in told["application"]["title"]
    assert "cardiac-mr-pipeline" in (FOLDER / "requirements.txt").read_text(encoding="utf-8")
