import json
import shutil
from pathlib import Path

import pytest
import torch

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.render import outdated_files
from pipeline.app.safe_weights import write_safetensors
from pipeline.app.ship import ship_weights
from pipeline.core.digests import file_digest
from pipeline.core.errors import BundleError, ConfigError
from pipeline.core.shipped import CONFIGS
from pipeline.infer.digests import WEIGHTS_DIGESTS
from pipeline.infer.weights import load_weights, read_weights

NAME = "ventricles_mr_segmentation_unet"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(CONFIGS, tmp_path / "configs")
    return tmp_path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run" / "models").mkdir(parents=True)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    torch.save(network.state_dict(), tmp_path / "run" / "models" / "model.pt")
    return tmp_path / "run"


def test_shipped_weights_are_halved_stated_and_load_back(checkout: Path, run: Path) -> None:
    bundles = checkout / "bundles"
    calibration = bundles / NAME / "models" / "calibration.json"
    calibration.parent.mkdir(parents=True)
    calibration.write_text("{}")  # of the weights before
    shipped = ship_weights(run, NAME, configs=checkout / "configs", bundles=bundles)
    assert not calibration.exists()
    assert torch.load(shipped, weights_only=True)["0.weight"].dtype == torch.float16
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    load_weights(network, shipped, bundle_root=bundles / NAME)
    original = torch.load(run / "models" / "model.pt", weights_only=True)
    torch.testing.assert_close(network[0].weight.data, original["0.weight"], rtol=1e-3, atol=1e-4)
    assert network[0].weight.dtype == torch.float32
    assert not [path for path in outdated_files(checkout / "configs", bundles) if NAME in path.parts]


def test_exchanged_weights_are_noticed(checkout: Path, run: Path) -> None:
    bundles = checkout / "bundles"
    shipped = ship_weights(run, NAME, configs=checkout / "configs", bundles=bundles)
    shutil.copy(run / "models" / "model.pt", shipped)
    with pytest.raises(BundleError, match="SHA-256"):
        load_weights(torch.nn.Linear(1, 1), shipped, bundle_root=bundles / NAME)
    assert bundles / NAME / "configs" / "metadata.json" in outdated_files(checkout / "configs", bundles)


def test_a_copy_to_train_states_nothing_of_weights_it_lacks(checkout: Path, run: Path, tmp_path: Path) -> None:
    bundles = checkout / "bundles"
    ship_weights(run, NAME, configs=checkout / "configs", bundles=bundles)
    copy = copy_bundle(bundles / NAME, tmp_path / "copy")
    assert WEIGHTS_DIGESTS in json.loads((bundles / NAME / "configs" / "metadata.json").read_text())
    assert WEIGHTS_DIGESTS not in json.loads((copy / "configs" / "metadata.json").read_text())
    assert not (copy / "models" / "model.pt").exists()


def test_a_run_without_weights_and_an_unknown_bundle_are_refused(checkout: Path, run: Path, tmp_path: Path) -> None:
    places = {"configs": checkout / "configs", "bundles": checkout / "bundles"}
    with pytest.raises(BundleError, match="no weights"):
        ship_weights(tmp_path, NAME, **places)
    with pytest.raises(ConfigError, match="must be one of"):
        ship_weights(run, "nonsense", **places)


def test_weights_are_offered_as_safetensors_with_their_digest(checkout: Path, run: Path) -> None:
    pytest.importorskip("safetensors")
    bundle = copy_bundle(find_bundle(NAME), checkout / "own")
    shutil.copy(run / "models" / "model.pt", bundle / "models" / "model.pt")
    (written,) = write_safetensors(bundle)
    assert written == bundle / "models" / "model.safetensors"
    stated = json.loads((bundle / "configs" / "metadata.json").read_text())[WEIGHTS_DIGESTS]
    assert stated["models/model.safetensors"] == file_digest(written)
    found, wanted = (read_weights(path, bundle_root=bundle) for path in (written, written.with_suffix(".pt")))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    with pytest.raises(BundleError, match="holds no weights in"):
        write_safetensors(checkout)
