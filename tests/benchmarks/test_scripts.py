"""The benchmarks still fit the pipeline: they import, and what they train is what `cmr train` takes."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from types import ModuleType

import pytest
import torch
from monai.bundle import ConfigParser
from typer.testing import CliRunner

from pipeline.app import bundles, cli, training
from pipeline.app.defaults import DEFAULT_BUNDLE
from pipeline.phantom.dataset import write_dataset

_FOLDER = Path(__file__).parents[2] / "benchmarks"
_SCRIPTS = sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "nnunet_side")  # that one needs nnU-Net


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a script as Python does that runs it: its neighbours are modules too."""
    monkeypatch.syspath_prepend(str(_FOLDER))

    def script(name: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    yield script
    for name in _SCRIPTS:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", _SCRIPTS)
def test_imports(name: str, load) -> None:
    assert load(name).__doc__


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What is asked of `cmr train`: its options and overrides are taken, but nothing is trained."""
    commands: list[list[str]] = []

    def take(command: Sequence[object], **_: object) -> CompletedProcess[str]:
        words = [str(word) for word in command]
        assert words[1:4] == ["-m", "pipeline", "train"]
        assert CliRunner().invoke(cli.app, words[3:], catch_exceptions=False).exit_code == 0
        commands.append(words)
        return CompletedProcess(words, 0)

    write_dataset(tmp_path / "data", n_patients=2, n_phases=1, n_slices=3, size=32, pixel_mm=8.0, step_mm=20.0)
    monkeypatch.setattr("subprocess.run", take)
    monkeypatch.setattr(training, "open_workflow", lambda *_, **__: None)
    monkeypatch.setattr(training, "run_training", lambda *_, **__: "not trained")
    return commands


@pytest.mark.parametrize("run", ["protocol_v2", "protocol_v3", "modern_v2", "modern_v3", "fine_v3"])
def test_the_studys_runs_are_trainings(run: str, asked: list[list[str]], load, tmp_path: Path) -> None:
    study = load("study")
    if run == "fine_v3":  # which starts from the other's weights
        _save_random_weights(Path(study.train("modern_v3", tmp_path / "data", tmp_path, iterations=1500)))
    assert study.train(run, tmp_path / "data", tmp_path, iterations=1500) == str(tmp_path / run)
    train = json.loads((tmp_path / run / "configs" / "train.json").read_text())
    assert train["network_def"]["backbone"] == "resnet18"
    if run.startswith("protocol"):
        assert (train["iterations"], train["resized_to"], train["crop"]) == (1500, [257, 257, -1], [129, 129])
        assert train["optimizer"]["_target_"] == "torch.optim.SGD"
        assert train["network_def"].get("upsampled", True) == (run == "protocol_v3")
    else:
        assert train["epochs"] == 4
    assert bool(train["pretrained"]) == (run == "fine_v3")


def _save_random_weights(run: Path) -> None:
    parser = ConfigParser(ConfigParser.load_config_file(str(run / "configs" / "inference.json")))
    torch.save(parser.get_parsed_content("network_def").state_dict(), run / "models" / "model.pt")


def test_the_studys_table_is_that_of_ring_and_rest(load, tmp_path: Path) -> None:
    small = {"window": [32, 32], "spacing_mm": [8.0, 8.0, -1], "focus": False}
    small |= {"network_def#channels": [4, 8], "network_def#strides": [2]}
    run = bundles.copy_bundle(bundles.find_bundle(DEFAULT_BUNDLE), tmp_path / "run", small)
    _save_random_weights(run)
    write_dataset(tmp_path / "data", n_patients=2, n_phases=2, n_slices=3, size=32, pixel_mm=8.0, step_mm=20.0)
    cases = tmp_path / "run.json"
    cases.write_text(json.dumps({"split": {"validation": ["phantom0001"]}}))
    load("study").evaluate(str(run), tmp_path / "data", tmp_path / "out", cases=cases, turns_deg=[0.0, 15.0])
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert {"mean_iou", "iou_ring", "iou_rest"} <= set(found)


@pytest.mark.parametrize("name", ["enet", "unet3d"])
def test_the_zoos_trainings(name: str, asked: list[list[str]], load, tmp_path: Path) -> None:
    (tmp_path / name).mkdir(parents=True)
    (tmp_path / name / "zoo.json").write_text("{}")
    zoo = load("zoo")
    with pytest.raises(FileNotFoundError):
        zoo.train(name, tmp_path / "data", tmp_path, epochs=1)  # which nothing has validated
    assert len(asked) == 1
    assert json.loads((tmp_path / name / "run" / "configs" / "train.json").read_text())["epochs"] == 1


def test_the_zoos_rows(load) -> None:
    zoo = load("zoo")
    record = {"network": "unet", "parameters": 31.04e6, "gflops": 96.2, "field_of_view": 188, "ms_a_slice": 274.4}
    assert zoo._row(record) == "| `unet` | 31.04 | 96.2 | 188 | 274 |  |  |"
    scores = {"field_of_view": zoo.VIEWED, "dice_mean": 0.7941, "iou_mean": 0.69}
    assert zoo._row(record | scores).endswith("| all | 274 | 0.794 | 0.690 |")
