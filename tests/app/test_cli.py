"""The command line, called as a user calls it, on phantom studies."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

import pipeline
from pipeline.app import cli
from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.core.errors import BundleError, ConfigError, DatasetError, UnreadableError
from pipeline.networks.registry import NETWORKS
from pipeline.phantom.dataset import write_dataset
from pipeline.read.cine import read_cine
from pipeline.read.datasets import load_datalist
from pipeline.train.plan import read_plan

runner = CliRunner()


def _segment(*arguments: str) -> tuple[int, str, str]:
    result = runner.invoke(cli.app, ["segment", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_folder_of_everything_and_one_bad_case(untrained_bundle: Path, studies: Path, tmp_path: Path) -> None:
    code, out, err = _segment(str(studies), "-o", str(tmp_path), "--bundle", str(untrained_bundle))
    assert code == 1
    written = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    tables = {"cohort.csv", "cohort_dictionary.csv", "cohort_redcap.csv"}
    assert written == {"one", "two", "three", "broken", "index.html"} | tables
    assert [path.name for path in (tmp_path / "broken").iterdir()] == ["measurements.json"]  # which says that it failed
    assert "] broken: FAILED: " in err
    assert "phase" in err
    assert all(f"/4] {name}  " in out for name in ("one", "two", "three"))
    assert "not for diagnosis" in out
    for name, source in (("one", studies / "one"), ("two", studies / "two.nii.gz"), ("three", studies / "three.nii")):
        found, image = read_cine(tmp_path / name / "segmentation.nii.gz"), read_cine(source)
        assert found.array.shape == image.array.shape
        assert found.grid.matches(image.grid)
    assert nib.load(tmp_path / "three" / "segmentation.nii.gz").ndim == 3
    assert nib.load(tmp_path / "two" / "segmentation.nii.gz").ndim == 4
    assert nib.load(tmp_path / "two" / "segmentation.nii.gz").get_data_dtype() == np.uint8
    cine, static = (json.loads((tmp_path / name / "measurements.json").read_text()) for name in ("one", "three"))
    assert {"ed_phase", "es_phase", "left_ventricle", "myocardial_mass_g"} <= set(cine)
    assert len(static["volumes_ml"]["left_ventricle"]) == 1


def test_dicom_and_nifti_of_one_cine_give_one_segmentation(
    untrained_bundle: Path, studies: Path, tmp_path: Path
) -> None:
    for source in ("one", "two.nii.gz"):
        assert _segment(str(studies / source), "-o", str(tmp_path), "--bundle", str(untrained_bundle))[0] == 0
    first, second = (read_cine(tmp_path / name / "segmentation.nii.gz").array for name in ("one", "two"))
    # NIfTI rounds the affine to float32
    assert (first != second).mean() < 5e-3, (first != second).mean()


def test_a_mirrored_nifti_gives_the_mirrored_segmentation(
    untrained_bundle: Path, studies: Path, tmp_path: Path
) -> None:
    image = nib.load(studies / "two.nii.gz")
    flip = np.diag([1.0, -1.0, 1.0, 1.0])
    flip[1, 3] = image.shape[1] - 1
    mirrored = nib.Nifti1Image(np.asarray(image.dataobj)[:, ::-1], image.affine @ flip)
    mirrored.header.set_xyzt_units("mm", "msec")
    nib.save(mirrored, tmp_path / "mirrored.nii.gz")
    for source in (studies / "two.nii.gz", tmp_path / "mirrored.nii.gz"):
        assert _segment(str(source), "-o", str(tmp_path / "out"), "--bundle", str(untrained_bundle))[0] == 0
    plain, flipped = (read_cine(tmp_path / "out" / name / "segmentation.nii.gz").array for name in ("two", "mirrored"))
    assert (plain != flipped[:, :, ::-1]).mean() < 5e-3


def test_json_and_quiet(untrained_bundle: Path, studies: Path, tmp_path: Path) -> None:
    source = str(studies / "two.nii.gz")
    options = ("-o", str(tmp_path), "--bundle", str(untrained_bundle))
    (line,) = _segment(source, *options, "--json")[1].splitlines()
    record = json.loads(line)
    assert record["name"] == "two"
    assert record["error"] is None
    assert record["measurements"]["n_phases"] == 3
    assert _segment(source, *options, "--quiet")[1] == ""


def test_without_objects_the_label_map_and_the_measurements_come_alone(
    untrained_bundle: Path, studies: Path, tmp_path: Path
) -> None:
    options = ("-o", str(tmp_path), "--bundle", str(untrained_bundle), "--no-objects")
    assert _segment(str(studies / "one"), *options)[0] == 0
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["one"]
    assert not (tmp_path / "index.html").exists()
    found = {path.name for path in (tmp_path / "one").iterdir()}
    assert found == {"segmentation.nii.gz", "measurements.json"}
    assert json.loads((tmp_path / "one" / "measurements.json").read_text())["bundle"]["name"]


def test_a_full_disk_is_called_by_its_name(
    untrained_bundle: Path, studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("pipeline.app.results.write_label_map", full)  # within a transform: MONAI wraps the error
    options = ("-o", str(tmp_path), "--bundle", str(untrained_bundle))
    with pytest.raises(OSError, match="No space left on device"):  # true of all studies, so it ends the run
        _segment(str(studies / "two.nii.gz"), *options)


def test_another_series_by_its_uid(untrained_bundle: Path, studies: Path, tmp_path: Path) -> None:
    options = ("-o", str(tmp_path), "--bundle", str(untrained_bundle))
    code, _, err = _segment(str(studies / "one"), *options, "--series", "1.2.3")
    assert code == 1
    assert "1.2.3" in err


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("segment", "missing", "-o", "out"), UnreadableError, "missing"),
        (("segment", "scan.mha", "-o", "out", "--bundle", "no_such"), BundleError, "no_such"),
        (("train", "--data", "x", "-o", "out", "--set", "epoch=3"), ConfigError, "epoch"),
        (("train", "--data", "x", "-o", "out", "--set", "epochs"), ConfigError, "ID=VALUE"),
        (("evaluate", "--data", "x", "--set", "windw=[1,1]"), ConfigError, "windw"),
        (("train", "--data", "no_such_data", "-o", "out"), DatasetError, "no_such_data"),
        (("evaluate", "--data", "no_such_data", "--bundle", "bare"), BundleError, "no weights"),
    ],
)
def test_wrong_use_ends_in_one_sentence(
    untrained_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path / "bare")
    (tmp_path / "scan.mha").write_text("not looked into")
    if error is UnreadableError:
        arguments = (*arguments, "--bundle", str(untrained_bundle))
    monkeypatch.setattr("sys.argv", ["cmr", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    message = capsys.readouterr().err.strip().splitlines()
    assert words in message[-1]
    assert message[-1].startswith("cmr: ")


def test_a_place_that_cannot_be_written_ends_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr("sys.argv", ["cmr", "phantom", str(tmp_path / "file" / "data"), "--patients", "1"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    (message,) = capsys.readouterr().err.strip().splitlines()
    assert message.startswith("cmr: ")
    assert "file" in message


@pytest.mark.parametrize("arguments", [[], ["train"], ["bundle"], ["bundle", "ensemble"]])
def test_help_is_there_by_both_names_and_keeps_its_brackets(arguments: list[str]) -> None:
    short, long = (runner.invoke(cli.app, [*arguments, option]) for option in ("-h", "--help"))
    assert (short.exit_code, short.stdout) == (0, long.stdout)
    if arguments == ["train"]:
        assert f"[{DEFAULT_BUNDLE}]" in " ".join(short.stdout.split())


def test_the_version_and_the_shells_completion_are_options() -> None:
    assert runner.invoke(cli.app, ["--version"]).stdout == f"cmr {pipeline.__version__}\n"
    assert "--install-completion" in runner.invoke(cli.app, ["--help"]).stdout


def test_a_mistyped_option_is_named_with_the_one_that_is_meant() -> None:
    result = runner.invoke(cli.app, ["train", "--sett", "3"])
    assert result.exit_code == 2
    assert "No such option: --sett" in result.stderr
    assert "--set" in result.stderr.replace("--sett", "")


def test_a_device_that_is_not_there_ends_in_one_sentence(untrained_bundle: Path, studies: Path, tmp_path: Path) -> None:
    options = ("-o", str(tmp_path / "out"), "--bundle", str(untrained_bundle), "--device", "cuda:77")
    with pytest.raises(ConfigError, match="the device 'cuda:77' cannot be used here"):
        _segment(str(studies / "one"), *options)
    assert not (tmp_path / "out").exists()


def test_a_failure_is_told_once(
    untrained_bundle: Path, studies: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ("-o", str(tmp_path), "--bundle", str(untrained_bundle))
    _, _, err = _segment(str(studies / "broken"), *options)
    assert (err + caplog.text).count("broken: ") == 1
    code, out, err = _segment(str(studies / "broken"), *options, "--json")
    assert (code, json.loads(out)["error"] in err) == (1, True)


def test_untrained_bundles_say_so(tmp_path: Path, studies: Path) -> None:
    bare = copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path / "bare")
    with pytest.raises(BundleError, match="no weights"):
        _segment(str(studies / "two.nii.gz"), "-o", str(tmp_path), "--bundle", str(bare))


def test_phantom_writes_a_data_set(tmp_path: Path) -> None:
    result = runner.invoke(cli.app, ["phantom", str(tmp_path / "data"), "--patients", "1", "--layout", "static"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "data" / "datalist.csv").is_file()
    assert json.loads((tmp_path / "data" / "truth.json").read_text())["phantom0000"]["ef_percent"] > 0


def test_plan_reads_a_data_set_and_fits_training(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", n_patients=2, layout="static", n_phases=2, n_slices=4, size=48, pixel_mm=5.0)
    result = runner.invoke(cli.app, ["plan", str(tmp_path / "data"), "-o", str(tmp_path / "p.yaml"), "--subtract-mean"])
    assert result.exit_code == 0, result.output
    settings = read_plan(tmp_path / "p.yaml")
    assert settings["spacing_mm"] == [5.0, 5.0, -1]
    assert settings["normalisation"] == "subtract_mean"
    assert settings["training_mean"] > 0
    copy_bundle(find_bundle(DEFAULT_BUNDLE), tmp_path / "run", settings)


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three patients."""
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, n_patients=3, seed=0, n_phases=2, n_slices=3, size=48, pixel_mm=5.0, step_mm=18.0)
    return folder


def _train(name: str, patients: Path, out: Path, **own: object) -> None:
    settings = {"epochs": 1, "batch_size": 4, "val_interval": 1, "window": [64, 64], "spacing_mm": [4, 4, -1]}
    settings |= {"cache_dir": str(patients / "cache")} | {f"network_def#{key}": value for key, value in own.items()}
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = ["train", "--data", str(patients), "--out", str(out), "--network", name, *options]
    assert runner.invoke(cli.app, command, catch_exceptions=False).exit_code == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_trains_by_its_name(name: str, patients: Path, tmp_path: Path, small_settings) -> None:
    own = small_settings(name)
    _train(name, patients, tmp_path / "run", **own)
    inference = json.loads((tmp_path / "run" / "configs" / "inference.json").read_text())
    assert inference["network_def"].items() >= {"name": name, **own}.items()
    scores = json.loads((tmp_path / "run" / "eval" / "validation.json").read_text())
    assert 0 <= scores["dice_mean"] <= 1


@pytest.mark.parametrize("name", ["linknet34", "unet3d"])
def test_a_trained_network_segments(name: str, patients: Path, studies: Path, tmp_path: Path, small_settings) -> None:
    _train(name, patients, tmp_path / "run", **small_settings(name))
    code, out, _ = _segment(str(studies / "two.nii.gz"), "-o", str(tmp_path), "--bundle", str(tmp_path / "run"))
    assert (code, "not for diagnosis" in out) == (0, True)


def test_networks_are_listed_and_another_is_refused(tmp_path: Path) -> None:
    listed = runner.invoke(cli.app, ["networks"]).stdout.splitlines()
    assert len(listed) > 30
    assert any(line.startswith("deeplabv3plus ") for line in listed)
    with pytest.raises(ConfigError, match="resnet"):
        runner.invoke(
            cli.app, ["train", "--data", "x", "--out", str(tmp_path), "--network", "resnet"], catch_exceptions=False
        )


def test_pseudo_labels_become_a_data_set_to_train_on(untrained_bundle: Path, studies: Path, tmp_path: Path) -> None:
    options = ["-o", str(tmp_path), "--bundle", str(untrained_bundle), "--keep", "1", "--threshold", "0"]
    result = runner.invoke(cli.app, ["pseudo", str(studies / "two.nii.gz"), *options], catch_exceptions=False)
    (case,) = load_datalist(Path(result.stdout.strip()))
    assert case["patient"] == "two"
    labels, image = read_cine(case["label"]), read_cine(case["image"])
    assert labels.grid.matches(image.grid)
    assert labels.array.shape == image.array.shape
