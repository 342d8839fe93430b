"""A run owns its settings: the table of docs/training.md, row by row, on trainings of a second."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pipeline.app import cli
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.app.resume import MAY_CHANGE
from pipeline.core.errors import BundleError, ConfigError, DatasetError, own_error
from pipeline.infer.digests import check_digest
from pipeline.phantom.dataset import write_dataset
from pipeline.read import gate

SCAN: dict[str, Any] = {"n_phases": 1, "n_slices": 4, "size": 32, "pixel_mm": 8.0, "step_mm": 20.0}
SETTINGS: dict[str, Any] = {
    "network_def#channels": [4, 8],
    "network_def#strides": [2],
    "batch_size": 2,
    "window": [32, 32],
    "spacing_mm": [8.0, 8.0, -1],
    "val_interval": 1,
    "epochs": 2,
    "n4": False,
    "amp": False,
}


class _KilledError(RuntimeError):
    pass


def train(out: Path, *options: str, **settings: Any) -> str:
    """`cmr train -o OUT ...`; what it says."""
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]
    command = ["train", "-o", str(out), *options, *given]
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, but for the curves that only tell that somebody has looked."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "events" not in path.name
    }


def state(out: Path) -> dict[str, Any]:
    return torch.load(out / "eval" / "last.pt", weights_only=True)


def record(out: Path) -> dict[str, Any]:
    return json.loads((out / "eval" / "run.json").read_text())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "patients"
    write_dataset(folder, n_patients=4, **SCAN)
    return folder


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs."""
    out = tmp_path_factory.mktemp("finished") / "run"
    train(out, "--data", str(data), **SETTINGS)
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to go on with."""
    return shutil.copytree(finished, tmp_path / "run")


def test_the_same_command_again_goes_on_and_a_finished_run_stays_as_it_is(run: Path, data: Path) -> None:
    before = contents(run)
    assert "nothing was left to train after epoch 2" in train(run, "--resume")
    assert "nothing was left" in train(run, "--resume", "--data", str(data), "--bundle", DEFAULT_BUNDLE, **SETTINGS)
    assert contents(run) == before


def test_a_run_begins_and_goes_on_on_data_that_pass_the_gate_and_reads_them_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    look = gate.check_case
    monkeypatch.setattr(gate, "check_case", lambda case, **how: read.append(case["patient"]) or look(case, **how))
    own, run = shutil.copytree(data, tmp_path / "own"), tmp_path / "run"
    train(run, "--data", str(own), **SETTINGS)
    assert sorted(read) == [f"phantom000{n}" for n in range(4)]
    label, before = own / "labels" / "phantom0002.nii.gz", contents(run)
    nib.save(nib.Nifti1Image(np.zeros(nib.load(label).shape, np.uint8), nib.load(label).affine), label)
    with pytest.raises(RuntimeError) as raised:  # MONAI wraps what its configurations raise
        train(run, "--resume", epochs=3)
    assert re.search(r"1 of 4 cases cannot be used[\s\S]*phantom0002", str(own_error(raised.value)))
    assert contents(run) == before


def test_a_scheme_is_the_run_s(data: Path, tmp_path: Path) -> None:
    own, run = shutil.copytree(data, tmp_path / "own"), tmp_path / "run"
    table = own / "datalist.csv"
    table.write_text(table.read_text().replace("scheme", "remark"))
    train(run, "--data", str(own), "--scheme", "1=LV,2=MYO,3=RV", **SETTINGS)
    assert "trained to epoch 3" in train(run, "--resume", epochs=3)
    with pytest.raises(ConfigError, match="`scheme` is '1=LV,2=MYO,3=RV', not 'acdc'"):
        train(run, "--resume", "--scheme", "acdc", epochs=4)


def test_more_epochs_go_on_under_the_settings_of_the_run(run: Path, data: Path) -> None:
    assert "trained to epoch 3" in train(run, "--resume", "--data", str(data), epochs=3)
    config = json.loads((run / "configs" / "train.json").read_text())
    assert (config["epochs"], config["batch_size"], config["window"], config["n4"]) == (3, 2, [32, 32], False)
    assert [start["after_epoch"] for start in record(run)["starts"]] == [0, 2]
    assert record(run)["threads"] == torch.get_num_threads()
    assert "Gone on with after epoch 2;" in (run / "docs" / "README.md").read_text()
    check_digest(run, run / "models" / "model.pt")
    assert json.loads((run / "configs" / "metadata.json").read_text())["weights_sha256"]


def test_a_run_and_data_of_any_name_go_on(
    finished: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "%run")
    shutil.copytree(data, tmp_path / "$(a#b)")
    assert "trained to epoch 3" in train(Path("%run"), "--resume", "--data", "$(a#b)", epochs=3)
    assert "$(a#b)" in (tmp_path / "%run" / "docs" / "README.md").read_text()
    assert "nothing was left" in train(Path("%run"), "--resume")


def test_another_learning_rate_is_used(run: Path) -> None:
    train(run, "--resume", epochs=3, learning_rate=0.25, schedule="constant", warmup_iterations=0)
    assert state(run)["lr_scheduler"]["base_lrs"] == [0.25]
    assert [group["lr"] for group in state(run)["optimizer"]["param_groups"]] == [0.25]
    assert json.loads((run / "configs" / "train.json").read_text())["learning_rate"] == 0.25


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 4}, "`batch_size` is 2, not 4"),
        ({"seed": 1}, "`seed` is 0, not 1"),
        ({"val_fraction": 0.5}, "`val_fraction` is 0.2, not 0.5"),
        ({"n_folds": 2}, "`n_folds` is 0, not 2"),
        ({"window": [64, 64]}, "`window`"),
        ({"n4": True}, "`n4` is False, not True"),
        ({"amp": False, "network_def#channels": [8, 8]}, "`network_def#channels`"),
        ({"augment#p_quarter_turn": 0.75}, "`augment#p_quarter_turn` is 0.0, not 0.75"),
        ({"loss_function#loss#_target_": "pipeline.parts.Jaccard"}, "`loss_function#loss#_target_`"),
        ({"keep": "last"}, "`keep`"),
        ({"epoch": 3}, r"no entry|has an entry \['epoch'\].*perhaps `epochs`"),
        ({"epochs": "two"}, "`epochs` must be a whole number"),
        ({"learning_rate": 0}, "`learning_rate` must be a number above 0"),
        ({"output_dir": "elsewhere"}, "`output_dir`"),
    ],
)
def test_what_would_make_another_run_of_it_is_refused_and_changes_nothing(
    run: Path, settings: dict[str, Any], words: str
) -> None:
    before = contents(run)
    with pytest.raises(ConfigError, match=words) as raised:
        train(run, "--resume", **settings)
    assert "\n" not in str(raised.value)
    assert contents(run) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--network", "linknet34"), "`network_def` is UNet, not linknet34"),
        (("--loss", "jaccard"), "`loss_function#loss` is DiceCrossEntropy, not Jaccard"),
        (
            ("--bundle", "ventricles_mr_segmentation_deeplabv3plus"),
            "begun, and that was with the bundle ventricles_mr_segmentation_unet, not",
        ),
    ],
)
def test_another_network_loss_or_bundle_is_refused(run: Path, options: tuple[str, ...], words: str) -> None:
    before = contents(run)
    with pytest.raises(ConfigError, match=words):
        train(run, "--resume", *options)
    assert contents(run) == before


def test_other_data_are_refused_wherever_they_differ(run: Path, data: Path, tmp_path: Path) -> None:
    before = contents(run)
    others, relabelled, fewer = tmp_path / "others", tmp_path / "relabelled", tmp_path / "fewer"
    write_dataset(others, n_patients=4, **SCAN | {"pixel_mm": 7.0})
    shutil.copytree(data, relabelled)
    shutil.copy(relabelled / "labels" / "phantom0001.nii.gz", relabelled / "labels" / "phantom0002.nii.gz")
    shutil.copytree(data, fewer)
    rows = (fewer / "datalist.csv").read_text().splitlines()
    (fewer / "datalist.csv").write_text("\n".join(row for row in rows if "phantom0003" not in row) + "\n")
    for folder, words in (
        (others, "has other images or labels of phantom0000, phantom0001"),
        (relabelled, "has other images or labels of phantom0002"),
        (fewer, "phantom0003|none of its"),
    ):
        with pytest.raises(DatasetError, match=words):
            train(run, "--resume", "--data", str(folder), epochs=3)
        assert contents(run) == before


def test_data_that_were_moved_are_the_same_and_new_patients_stay_out(run: Path, data: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(data, tmp_path / "moved")
    split = record(run)["split"]
    write_dataset(tmp_path / "more", n_patients=1, seed=7, **SCAN)
    row = (tmp_path / "more" / "datalist.csv").read_text().splitlines()[1].split(",")
    with (moved / "datalist.csv").open("a") as stream:
        stream.write(",".join([str(tmp_path / "more" / row[0]), str(tmp_path / "more" / row[1]), *row[2:]]) + "\n")
    train(run, "--resume", "--data", str(moved), epochs=3)
    assert record(run)["split"] == split
    assert record(run)["data"]["source"] == str(moved)


def test_where_there_is_no_run_there_is_nothing_to_go_on_with(tmp_path: Path, data: Path) -> None:
    for out in (tmp_path / "none", tmp_path):
        with pytest.raises(ConfigError, match="there is no training in"):
            train(out, "--resume", "--data", str(data))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["a run", "notes", "a file"])
def test_a_new_training_needs_a_folder_of_its_own(run: Path, data: Path, tmp_path: Path, what: str) -> None:
    out = {"a run": run, "notes": tmp_path / "notes", "a file": tmp_path / "file"}[what]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match="a folder"):
        train(out, "--data", str(data), **SETTINGS | {"epochs": 1})
    assert contents(tmp_path) == before


def test_records_of_another_run_are_not_written_over(run: Path, data: Path, tmp_path: Path) -> None:
    before = contents(run)
    with pytest.raises(ConfigError, match="holds another's records"):
        train(tmp_path / "new", "--data", str(data), **SETTINGS | {"output_dir": str(run / "eval")})
    assert contents(run) == before
    assert not (tmp_path / "new").exists()


def test_time_that_breaks_off_the_first_epoch_leaves_weights_and_is_told(data: Path, tmp_path: Path) -> None:
    said = train(tmp_path / "run", "--data", str(data), **SETTINGS | {"max_minutes": 1e-5})
    assert "is trained to epoch 1" in said
    assert (tmp_path / "run" / "models" / "model.pt").is_file()
    assert "nothing was left" in train(tmp_path / "run", "--resume")


def test_nothing_is_written_for_data_that_cannot_be_trained_on(tmp_path: Path, data: Path) -> None:
    for options, settings, words in (
        (("--data", str(tmp_path / "none")), {}, "none"),
        (("--data", str(data)), {"n_folds": 5}, "at least 5 patients, got 4"),
        (("--data", str(data)), {"extra_data": str(tmp_path / "no.csv")}, "no.csv"),
    ):
        with pytest.raises(DatasetError, match=words):
            train(tmp_path / "run", *options, **SETTINGS | settings)
    with pytest.raises(BundleError, match=r"no_such\.pt"):
        train(tmp_path / "run", "--data", str(data), **SETTINGS | {"pretrained": str(tmp_path / "no_such.pt")})
    assert list(tmp_path.iterdir()) == []


def _dying(at: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is killed at its call number `at`, from 1."""
    left = [at]

    def call(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise _KilledError
        return original(*arguments, **named)

    return call


STAGES = {
    "while it prepares": ("pipeline.train.prepared._labelled_stacks", 2),
    "in its first epoch": ("pipeline.train.augment.AugmentBatch.__call__", 2),
    "in its second epoch": ("pipeline.train.augment.AugmentBatch.__call__", 7),
    "while weights are saved": ("pipeline.infer.weights.announce_digest", 2),
    "before new weights are stated": ("pipeline.infer.weights.state_digest", 2),
    "before its checkpoint is saved": ("pipeline.train.checkpoints.save_whole", 2),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_at_any_stage_goes_on_to_the_very_weights(
    stage: str, finished: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, at = STAGES[stage]
    out = tmp_path / "run"
    settings = SETTINGS | {"keep": "last", "cache_dir": str(tmp_path / "cache")}
    with monkeypatch.context() as patched:
        owner, _, name = place.rpartition(".")
        target = pytest.importorskip(owner) if "AugmentBatch" not in owner else _class_of(owner)
        patched.setattr(target, name, _dying(at, getattr(target, name)))
        with pytest.raises(Exception):  # noqa: B017, PT011 - MONAI wraps it, or not
            train(out, "--data", str(data), **settings)
    if (out / "models" / "model.pt").is_file():
        check_digest(out, out / "models" / "model.pt")  # the weights there are whole, and the bundle's own
    assert not list(out.rglob("*.partial"))
    train(out, "--resume", "--data", str(data))
    check_digest(out, out / "models" / "model.pt")
    for key, value in state(finished)["model"].items():
        assert torch.equal(value, state(out)["model"][key]), key
    assert record(out)["split"] == record(finished)["split"]


def _class_of(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(pytest.importorskip(module), name)


def test_a_run_that_never_began_may_be_begun_again_otherwise(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.train.prepared._labelled_stacks", _dying(1, lambda: None))
        with pytest.raises(Exception):  # noqa: B017, PT011
            train(out, "--data", str(data), **SETTINGS)
    train(out, "--data", str(data), **SETTINGS | {"epochs": 1})
    assert json.loads((out / "configs" / "train.json").read_text())["epochs"] == 1


def test_a_kill_between_old_and_new_configurations_loses_neither(run: Path) -> None:
    (run / "configs").rename(run / "configs.before")
    shutil.copytree(run / "configs.before", run / "configs.partial")
    assert "nothing was left" in train(run, "--resume")


def test_the_same_seed_gives_the_same_bytes(finished: Path, data: Path, tmp_path: Path) -> None:
    train(tmp_path / "elsewhere", "--data", str(data), **SETTINGS)
    assert (tmp_path / "elsewhere" / "models" / "model.pt").read_bytes() == (
        finished / "models" / "model.pt"
    ).read_bytes()
    assert record(finished)["threads"] == torch.get_num_threads()


@pytest.mark.parametrize("killed_in", ["shutil.copytree", "pipeline.app.bundles.write_configs", "shutil.rmtree"])
def test_a_run_killed_before_it_had_its_configurations_may_be_begun_again(
    killed_in: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(killed_in, _dying(1, lambda: None))
        with pytest.raises(_KilledError):
            train(out, "--data", str(data), **SETTINGS)
    assert out.is_dir()
    assert not (out / "configs").exists()
    train(out, "--data", str(data), **SETTINGS | {"epochs": 1})
    assert state(out)["trainer"]["iteration"] > 0
    assert not (out / "configs.partial").exists()


def test_weights_that_have_gone_come_again(run: Path) -> None:
    (run / "models" / "model.pt").unlink()
    train(run, "--resume", epochs=3, learning_rate=1e-9)
    assert (run / "models" / "model.pt").is_file()
    check_digest(run, run / "models" / "model.pt")


def test_a_checkpoint_that_cannot_be_read_is_refused_before_anything_changes(run: Path) -> None:
    (run / "eval" / "last.pt").write_bytes(b"half a checkpoint")
    before = contents(run)
    with pytest.raises(BundleError, match=r"last\.pt cannot be read"):
        train(run, "--resume", epochs=3)
    assert contents(run) == before


def test_the_card_tells_of_the_run_and_of_no_other_weights(run: Path, data: Path) -> None:
    from pipeline.app.bundles import find_bundle

    shipped = json.loads((find_bundle(DEFAULT_BUNDLE) / "configs" / "metadata.json").read_text())
    own = json.loads((run / "configs" / "metadata.json").read_text())
    text = (run / "docs" / "README.md").read_text() + (run / "docs" / "data_license.txt").read_text()
    assert not {"0.909", "ACDC", "Sunnybrook", "CC BY-NC-SA"} & set(text.replace(",", " ").split())
    assert "ACDC" not in json.dumps(own)
    assert own["performance"] != shipped["performance"]
    assert "3 patients trained on, 1 kept aside" in text
    assert "patients" in own["data_source"]
    kept = json.loads((run / "eval" / "kept.json").read_text())
    assert f"dice mean {kept['metrics']['dice_mean']:.3f}" in text
    assert f"epoch {kept['epoch']}" in text
    command = ["evaluate", "--bundle", str(run), "--data", str(data)]
    assert CliRunner().invoke(cli.app, command, catch_exceptions=False).exit_code == 0
    text = (run / "docs" / "README.md").read_text()
    assert "4 patients" in text
    assert "1 of them were validated on and 3 trained on" in text
    summary = json.loads((run / "eval" / "summary.json").read_text())["overlap"]
    mean = next(row for row in summary if row["structure"] == "mean" and row["phase"] == "all")
    assert f"| mean | all | {mean['n']} | {mean['dice']:.3f}" in text
    train(run, "--resume", epochs=3, keep="best")
    has_new = json.loads((run / "eval" / "kept.json").read_text())["epoch"] == 3
    assert ("`cmr evaluate`" in (run / "docs" / "README.md").read_text()) != has_new  # it was of the weights before


def test_an_evaluation_of_weights_that_have_gone_is_not_told(run: Path, data: Path) -> None:
    command = ["evaluate", "--bundle", str(run), "--data", str(data), "--set", "turns_deg=[0,10]"]
    assert CliRunner().invoke(cli.app, command, catch_exceptions=False).exit_code == 0
    assert "`cmr evaluate`" not in (run / "docs" / "README.md").read_text()  # not of the bundle as it is
    assert CliRunner().invoke(cli.app, command[:-2], catch_exceptions=False).exit_code == 0
    assert "`cmr evaluate` on patients, 4 patients" in (run / "docs" / "README.md").read_text()
    (run / "models" / "model.pt").unlink()
    train(run, "--resume", epochs=3)
    assert "`cmr evaluate`" not in (run / "docs" / "README.md").read_text()


def test_the_table_in_the_documents_is_the_programs() -> None:
    page = (Path(cli.__file__).parents[2] / "docs" / "training.md").read_text()
    for key, meaning in MAY_CHANGE.items():
        assert f"| `{key}` | {meaning} |" in page
