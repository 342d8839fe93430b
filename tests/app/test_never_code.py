"""Folders, series and settings whose names MONAI's parser would evaluate: `cmr` takes them for what they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from monai.bundle import ConfigParser, ConfigWorkflow
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.bundles import run_workflow
from pipeline.core.errors import ConfigError, DatasetError, own_error
from pipeline.phantom.dataset import write_dataset
from pipeline.read.names import safe_name
from pipeline.train.losses import Jaccard

CODE = "$__import__('pathlib').Path('CANARY').touch()"
NAMES = (CODE, "$(touch CANARY)", "@device", "%out", "a#b", "@#x")
SMALL = ("epochs=1", "batch_size=4", "val_interval=1", "window=[64,64]", "spacing_mm=[4,4,-1]")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, in which names are given as they stand; afterwards nothing has run."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "CANARY").exists()


def _cmr(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == exit_code, result.output
    return result.output


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three patients."""
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, n_patients=3, seed=0, n_phases=2, n_slices=3, size=48, pixel_mm=5.0, step_mm=18.0)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_results_lie_in_the_folder_that_was_named(name: str, untrained_bundle: Path, studies: Path, here: Path) -> None:
    _cmr("segment", str(studies / "two.nii.gz"), "-o", name, "--bundle", str(untrained_bundle), "--no-objects")
    assert [path.name for path in here.iterdir()] == [name]
    assert (here / name / "two" / "segmentation.nii.gz").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_a_bundle_and_images_have_any_name(name: str, untrained_bundle: Path, studies: Path, here: Path) -> None:
    shutil.copytree(untrained_bundle, here / "bundles" / name)
    (here / name).mkdir()
    shutil.copy(studies / "two.nii.gz", here / name / f"{name}.nii.gz")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(here / "bundles")
        _cmr("segment", f"../{name}", "-o", "../out", "--bundle", name)
        assert not Path("CANARY").exists()
    (record,) = (here / "out").glob("*/measurements.json")
    measured = json.loads(record.read_text())
    assert (measured["case"], measured["bundle"]["name"]) == (record.parent.name, name)
    assert record.parent.name == safe_name(name)


@pytest.mark.parametrize("series", [CODE, "@device", "%x"])
def test_a_series_is_a_name(series: str, untrained_bundle: Path, studies: Path, here: Path) -> None:
    options = ("-o", "out", "--bundle", str(untrained_bundle), "--series", series)
    assert series in _cmr("segment", str(studies / "one"), *options, exit_code=1)


def test_a_device_is_torchs(untrained_bundle: Path, studies: Path, here: Path) -> None:
    options = ("-o", "out", "--bundle", str(untrained_bundle), "--device")
    _cmr("segment", str(studies / "two.nii.gz"), *options, "cpu", "--no-objects")
    with pytest.raises(ConfigError, match="cuda:0"):
        _cmr("segment", str(studies / "two.nii.gz"), *options, CODE)


@pytest.mark.parametrize("name", [CODE, "@device", "%out"])
def test_an_evaluation_of_data_and_bundle_with_such_names(
    name: str, untrained_bundle: Path, patients: Path, here: Path
) -> None:
    shutil.copytree(untrained_bundle, here / "bundles" / name)
    shutil.copytree(patients, here / "data" / name)
    (here / name).symlink_to(here / "data" / name)
    _cmr("evaluate", "--data", name, "--bundle", f"bundles/{name}", "-o", "%results", "--set", "cases=all")
    assert name.split("(")[0] in (here / "%results" / "evaluation.html").read_text().replace("&#39;", "'")
    with pytest.raises(RuntimeError) as raised:
        _cmr("evaluate", "--data", name, "--bundle", f"bundles/{name}", "--set", f"cases={CODE}")
    assert CODE in str(own_error(raised.value))  # no such record of a training


def test_a_trained_bundle_stays_without_code(patients: Path, here: Path) -> None:
    shutil.copytree(patients, here / "@data")
    (here / "plan.yaml").write_text('network_def#channels: [4, 8]\nnetwork_def#strides: [2]\nrates: {"@all": 1.0}\n')
    settings = [*SMALL, "device=cpu", f"cache_dir={CODE}", 'rates={"model":0.5}']
    options = [part for setting in settings for part in ("--set", setting)]
    _cmr("train", "--data", "@data", "-o", "%run", "--plan", "plan.yaml", *options)
    assert list((here / CODE).glob("*.npz"))  # the cache
    assert (here / "%run" / "models" / "model.pt").is_file()
    written = json.loads((here / "%run" / "configs" / "train.json").read_text())
    assert (written["epochs"], written["window"], written["rates"]) == (1, [64, 64], {"model": 0.5})
    shutil.rmtree(here / CODE)
    workflow = ConfigWorkflow(
        config_file=str(here / "%run" / "configs" / "train.json"), bundle_root="./%run", logging_file=False
    )
    workflow.initialize()
    assert workflow.parser.get_parsed_content("cache_dir") == CODE


@pytest.mark.parametrize("entry", ["training", "run", "imports", "metrics", "datalist", "network_def"])
@pytest.mark.parametrize("value", [CODE, [CODE], {"a": CODE}], ids=["text", "list", "mapping"])
def test_no_entry_of_a_configuration_evaluates_a_setting(
    entry: str, value: object, untrained_bundle: Path, here: Path
) -> None:
    run_workflow(untrained_bundle, config="train", run_id=entry, overrides={entry: value})
    assert not Path("CANARY").exists()
    run_workflow(
        untrained_bundle, config="train", run_id=entry, overrides={}, code={entry: ["$open('RAN', 'w').close()"]}
    )
    assert Path("RAN").exists()  # what the program itself asks for is evaluated there


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("network_def#_target_=os.system", "full name of a class of pipeline.parts"),
        ('network_def={"_target_":"os.system","command":"touch CANARY"}', "is written into the configuration"),
        ("train#trainer#_mode_=debug", "is written into the configuration"),
        ('={"training":[]}', "name must be that of an entry"),
        ("epochs =3", "name must be that of an entry"),
    ],
)
def test_components_are_no_settings(setting: str, words: str, here: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        _cmr("train", "--data", "x", "-o", "out", "--set", setting)
    assert list(here.iterdir()) == []


def test_a_loss_may_be_chosen_by_its_name(patients: Path, here: Path) -> None:
    options = [part for setting in SMALL for part in ("--set", setting)]
    target = "loss_function#loss#_target_=pipeline.parts.Jaccard"
    _cmr("train", "--data", str(patients), "-o", "run", *options, "--set", target)
    parser = ConfigParser(ConfigParser.load_config_file(str(here / "run" / "configs" / "train.json")))
    assert isinstance(parser.get_parsed_content("loss_function").loss, Jaccard)


def test_a_training_on_nothing_is_refused_before_anything_is_written(here: Path) -> None:
    with pytest.raises(DatasetError, match="but there is none"):
        _cmr("train", "--data", "no_such_data", "-o", "run")
    assert list(here.iterdir()) == []
