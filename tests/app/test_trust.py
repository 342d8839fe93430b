"""Bundles of unknown origin: what the recipes say passes, all else is named and refused before it runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.app import cli, trust
from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.configs import read_configs
from pipeline.app.defaults import TRUST_VARIABLE
from pipeline.app.named import LOSSES, named_loss, named_network
from pipeline.app.training import go_on, recorded_data
from pipeline.app.trust import find_foreign_code, require_trusted, vouch_for
from pipeline.core.errors import BundleError
from pipeline.core.shipped import BUNDLES
from pipeline.networks.registry import NETWORKS

UNET = BUNDLES / "ventricles_mr_segmentation_unet"

HOSTILE = {
    "another module": "$__import__('os').system('touch hit')",
    "an import": "$import os",
    "an import under another name": "$from os import system as Path",
    "two imports": "$import torch, os",
    "a builtin that opens": "$open('/etc/passwd').read()",
    "a builtin that runs": "$eval('1')",
    "a class's back door": "$().__class__.__mro__[1].__subclasses__()",
    "a part's back door": "$pipeline.parts.require.__globals__",
    "another module of ours": "$pipeline.app.bundles.shutil.rmtree('/')",
    "a module by its name": "$sys.modules['subprocess'].run('touch hit')",
    "a module by the name in an entry": "$sys.modules[@title].run('touch hit')",
    "torch's pickles": "$torch.load('model.pt', weights_only=False)",
    "torch's hub": "$torch.hub.load('a/b', 'c')",
    "a path that writes": "$Path('hit').write_text('')",
    "a path that deletes": "$Path('data').unlink()",
    "another specification": "$find_spec('antigravity.gravity')",
    "a lambda": "$(lambda: 1)()",
    "an assignment": "$(x := 1)",
    "a comprehension that renames": "$[Path for Path in @cases]",
    "a comprehension that renames the references": "$[__references for __references in @cases]",
    "an entry that is called": "$@network_def('/')",
    "text that hides a reference": "$'@cases.__class__' + (@cases).__class__",
    "a format string": "$f'{@cases.__class__}'",
    "two expressions": "$1; 2",
    "no Python": "$1 +",
    "another file": "%/tmp/other.json",
    "an entry as code": "%title",
    "too deep to read": "$" + "(" * 5000 + ")" * 5000,
}

COMPONENTS = {
    "a command": {"_target_": "os.system", "command": "touch hit"},
    "a command under its other name": {"_target_": "posix.system"},
    "a builtin": {"_target_": "builtins.exec"},
    "an expression as a name": {"_target_": "$torch.hub.load"},
    "a reference as a name": {"_target_": "@title"},
    "a name that is none": {"_target_": ["Compose"]},
    "MONAI's own runner": {"_target_": "monai.bundle.run"},
    "MONAI's download": {"_target_": "download_and_extract"},
    "a transform of any function": {"_target_": "Lambda"},
    "a cache of pickles": {"_target_": "PersistentDataset"},
    "pickled weights from elsewhere": {
        "_target_": "monai.networks.nets.HoVerNet",
        "pretrained_url": "http://127.0.0.1/weights.pth",
    },
    "a module of ours, not a part": {"_target_": "pipeline.app.bundles.copy_bundle"},
    "a part's method": {"_target_": "pipeline.parts.require.__globals__"},
    "a debugger": {"_target_": "Compose", "_mode_": "debug"},
}


@pytest.mark.parametrize("bundle", sorted(path.name for path in BUNDLES.iterdir() if path.is_dir()))
def test_our_own_bundles_pass(bundle: str) -> None:
    found = [one for name, config in read_configs(BUNDLES / bundle).items() for one in find_foreign_code(config, name)]
    assert found == []


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_copies_with_any_of_our_networks_pass(network: str, tmp_path: Path) -> None:
    copy = copy_bundle(
        UNET,
        tmp_path / "run",
        {"window": [96, 96], "n4": False, "device": "cpu", "title": "$a (text)"},
        code=named_network(network),
    )
    require_trusted(copy)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_copies_with_any_of_our_losses_pass(loss: str, tmp_path: Path) -> None:
    require_trusted(copy_bundle(UNET, tmp_path / "run", code=named_loss(loss)))


@pytest.mark.parametrize("expression", HOSTILE.values(), ids=HOSTILE.keys())
def test_an_expression_of_another_kind_is_found_wherever_it_stands(expression: str) -> None:
    for config in ({"title": expression}, {"a": [{"b": expression}]}, {"a": {"_target_": "Compose", "x": expression}}):
        assert find_foreign_code(config, "train"), expression
    assert find_foreign_code({"_requires_": [expression]}, "train")
    assert find_foreign_code({expression: 1}, "train")


@pytest.mark.parametrize("component", COMPONENTS.values(), ids=COMPONENTS.keys())
def test_a_component_of_another_kind_is_found(component: dict[str, Any]) -> None:
    assert find_foreign_code({"a": [{"b": component}]}, "train")


def test_a_finding_says_where_and_what() -> None:
    (found,) = find_foreign_code({"dataset": {"data": "$open('x')"}}, "inference")
    assert (found.entry, found.reason) == ("inference: dataset#data", "calls 'open' in \"open('x')\"")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A bundle that leaves a file if its configuration is evaluated."""
    bundle = tmp_path / "hostile"
    shutil.copytree(UNET, bundle)
    for name in ("train", "evaluate", "inference"):
        path = bundle / "configs" / f"{name}.json"
        config = json.loads(path.read_text())
        config |= {"generated": "Copied from the bundle ventricles_mr_segmentation_unet, for a training of its own."}
        config["output_dir"] = f"$[Path({str(tmp_path / 'hit')!r}).touch(), @bundle_root + '/eval'][1]"
        path.write_text(json.dumps(config))
    return bundle


def test_nothing_of_a_refused_bundle_is_evaluated(hostile: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"hostile.*inference: output_dir calls .Path.*cmr --trust"):
        find_bundle(hostile)
    image = tmp_path / "image.nii.gz"
    nib.save(nib.Nifti1Image(np.arange(1000, dtype=np.int16).reshape(10, 10, 10), np.diag([1.5, 1.5, 8, 1])), image)
    for command in (
        ["segment", str(image), "-o", str(tmp_path / "out"), "--bundle", str(hostile)],
        ["train", "--data", str(tmp_path), "--out", str(hostile)],
        ["train", "--out", str(hostile), "--resume"],
        ["train", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--bundle", str(hostile)],
        ["evaluate", "--data", str(tmp_path), "--bundle", str(hostile), "-o", str(tmp_path / "evaluation")],
        ["pack", str(tmp_path), str(tmp_path / "a.pack"), "--bundle", str(hostile)],
        ["bundle", "ensemble", str(hostile), str(UNET), "-o", str(tmp_path / "ensemble")],
    ):
        result = CliRunner().invoke(cli.app, command)
        assert isinstance(result.exception, BundleError), (command, result.output)
        assert not (tmp_path / "hit").exists()
    with pytest.raises(BundleError):
        recorded_data(hostile)


def test_a_user_may_trust_a_bundle(hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST_VARIABLE, "0")
    assert CliRunner().invoke(cli.app, ["bundle", "package", str(hostile), "-o", str(tmp_path / "zip")]).exit_code == 1
    trusting = ["--trust", "bundle", "package", str(hostile), "-o", str(tmp_path / "zip")]
    result = CliRunner().invoke(cli.app, trusting, catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_a_component_that_the_user_names_passes_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_vouched_for", set())
    config = {"network_def": {"_target_": "my_module.MyNet"}}
    assert find_foreign_code(config, "train")
    vouch_for("my_module.MyNet")
    assert find_foreign_code(config, "train") == []
    assert find_foreign_code({"network_def": {"_target_": "my_module.Other"}}, "train")


def test_a_run_is_checked_before_it_goes_on(hostile: Path, tmp_path: Path) -> None:
    from pipeline.app.training import Training

    with pytest.raises(BundleError, match="cmr --trust"):
        go_on(Training(hostile, tmp_path, {}), hostile)
    assert not (tmp_path / "hit").exists()
