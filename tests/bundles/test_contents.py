"""What MONAI's model zoo checks of a bundle."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import monai
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, load, verify_net_in_out

from pipeline.app.render import bundle_names
from pipeline.core.labels import STRUCTURES
from pipeline.core.shipped import BUNDLES, CONFIGS

from .conftest import Trained

bundles = pytest.mark.parametrize("root", [BUNDLES / name for name in bundle_names(CONFIGS)], ids=lambda p: p.name)
SECTIONS = (
    "Authors",
    "Tags",
    "Model Description",
    "Data",
    "Preprocessing",
    "Performance",
    "System Configuration",
    "Limitations",
    "Citation",
    "References",
)


@bundles
def test_metadata_against_the_schema(root: Path) -> None:
    schema = json.loads((Path(__file__).parent / "metadata_schema.json").read_text())
    metadata = json.loads((root / "configs" / "metadata.json").read_text())
    jsonschema.validate(metadata, schema)
    assert metadata["version"] in metadata["changelog"]
    assert metadata["schema"].endswith("meta_schema_20240725.json")
    assert metadata["monai_version"] == monai.__version__
    assert torch.__version__.startswith(metadata["pytorch_version"])
    assert metadata["numpy_version"] == np.__version__


@bundles
def test_metadata_require_what_the_tests_run_with(root: Path) -> None:
    lines = (BUNDLES.parent / "constraints.txt").read_text().lower().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    required = json.loads((root / "configs" / "metadata.json").read_text())["required_packages_version"]
    assert {"matplotlib", "Jinja2", "SimpleITK", "pydicom", "highdicom"} <= set(required)
    assert required == {name: pins[name.lower()] for name in required}


@bundles
def test_metadata_name_the_apps_that_it_was_run_in(root: Path) -> None:
    deploy = (BUNDLES.parent / "pipeline" / "app" / "deploy" / "requirements.txt").read_text().split()
    apps = json.loads((root / "configs" / "metadata.json").read_text())["supported_apps"]
    were_run = root.name.startswith("ventricles_mr")  # in both apps
    assert set(apps) == ({"monai-label", "monai-deploy-app-sdk"} if were_run else set())
    assert not apps or f"monai-deploy-app-sdk=={apps['monai-deploy-app-sdk']}" in deploy


@bundles
def test_metadata_names_our_labels(root: Path) -> None:
    channels = json.loads((root / "configs" / "metadata.json").read_text())["network_data_format"]["outputs"]["pred"]
    names = {str(s.value): s.name.replace("_", " ") for s in STRUCTURES} | {"0": "background"}
    if root.name.startswith("heart_mr_contour"):
        names = {"0": "ring", "1": "rest"}
    assert channels["channel_def"] == names
    assert channels["num_channels"] == len(names)


@bundles
def test_files_and_readme_sections(root: Path) -> None:
    assert re.fullmatch(r"[a-z0-9_]+", root.name)
    assert "Apache License" in (root / "LICENSE").read_text()
    readme = (root / "docs" / "README.md").read_text()
    assert not [section for section in SECTIONS if not re.search(rf"^#+ \**{section}\**$", readme, re.MULTILINE)]
    assert "Not for diagnosis" in readme
    assert "CC BY-NC-SA" in (root / "docs" / "data_license.txt").read_text()


@pytest.mark.parametrize("config", ["train", "evaluate", "inference"])
@pytest.mark.parametrize("root", sorted(BUNDLES.glob("ventricles_*")), ids=lambda root: root.name)
def test_the_random_field_has_the_widths_set(root: Path, config: str) -> None:
    parser = ConfigParser(ConfigParser.load_config_file(str(root / "configs" / f"{config}.json")))
    assert parser.get_parsed_content("refine") is None
    parser["crf"] = True
    parser["crf_settings#bilateral_weight"] = 7.0
    parser.parse(reset=True)
    field = parser.get_parsed_content("refine")
    assert (field.intensity_range, field.n_iterations, float(field.bilateral_weight[0])) == ([-3, 5], 5, 7.0)
    assert field.bilateral_kernel.keywords == {"sigma_xy": 10.0, "sigma_intensity": 20.0, "cells_per_sigma": 2}


@pytest.mark.slow
@pytest.mark.parametrize(("config", "kind"), [("train", "train"), ("inference", "infer"), ("evaluate", "infer")])
def test_properties(trained: Trained, config: str, kind: str) -> None:
    workflow = ConfigWorkflow(
        config_file=str(trained.root / "configs" / f"{config}.json"),
        meta_file=str(trained.root / "configs" / "metadata.json"),
        logging_file=False,
        workflow_type=kind,
        bundle_root=str(trained.root),
        dataset_dir=str(trained.data),
    )
    workflow.initialize()
    assert workflow.check_properties() == []


@pytest.mark.slow
def test_network_takes_and_gives_what_the_metadata_say(trained: Trained) -> None:
    configs = trained.root / "configs"
    verify_net_in_out("network_def", str(configs / "metadata.json"), str(configs / "inference.json"), device="cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning")
def test_exported_model_equals_the_checkpoint(trained: Trained, tmp_path: Path) -> None:
    configs, weights = trained.root / "configs", str(trained.root / "models" / "model.pt")
    target = str(tmp_path / "model.ts")
    ckpt_export(
        "network_def",
        filepath=target,
        ckpt_file=weights,
        meta_file=str(configs / "metadata.json"),
        config_file=str(configs / "inference.json"),
    )
    network = load(name=trained.root.name, bundle_dir=str(trained.root.parent), source="github", repo="none/none/none")
    network = _with_weights(network, trained)
    image = torch.randn(2, 1, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(torch.jit.load(target)(image), network(image), rtol=1e-4, atol=1e-4)


def _with_weights(network: torch.nn.Module, trained: Trained) -> torch.nn.Module:
    assert isinstance(network, torch.nn.Module)
    states = torch.load(trained.root / "models" / "model.pt", weights_only=True)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, states[name])
    return network.eval()
