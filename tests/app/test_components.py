"""Which components a setting may name."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.app.components import component_name
from pipeline.core.errors import ConfigError


@pytest.mark.parametrize(
    "name",
    [
        "pipeline.parts.Jaccard",
        "pipeline.parts.StackInferer",
        "pipeline.parts.OriginalUNet",
        "pipeline.parts.AugmentBatch",
        "pipeline.parts.build_network",
        "pipeline.parts.make_schedule",
        "monai.losses.DiceLoss",
        "monai.networks.nets.UNet",
        "monai.optimizers.Novograd",
        "torch.nn.CrossEntropyLoss",
        "torch.optim.SGD",
    ],
)
def test_parts_of_a_training_may_be_named(name: str) -> None:
    assert component_name("x#_target_", name) == name


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.exec",
        "eval",
        "UNet",
        "torch.load",
        "torch.hub.load",
        "torch.nn.functional.torch.hub.load",
        "torch.nn.modules.module.warnings.warn",
        "torch.nn.Parameter",
        "torch.nn.factory_kwargs",
        "torch.optim.lr_scheduler.sys",
        "monai.bundle.run",
        "monai.networks.nets.torch.load",
        "pipeline.train.losses.Jaccard",
        "pipeline.app.predict.Segmenter",
        "pipeline.parts.SegmentationSaveImaged",
        "pipeline.parts.claimed",
        "pipeline.parts.require",
        "pipeline.parts.STUDY_RATES",
        "pipeline.parts.import_module",
        "pipeline.parts.MODULES",
        "pipeline.parts.Jaccard.__init__",
        "pipeline.parts.Jacard",
        "pipeline.app.bundles.run_workflow",
        "pipeline.phantom.dataset.write_dataset",
        "pipeline.train.losses.nn",
        "pipeline.train.losses.no_such",
        "pipeline.no_such.Loss",
        "pipeline.__main__.main",
        "pipeline..Loss",
        "$__import__('os').system",
        "",
        None,
        ["pipeline.parts.Jaccard"],
    ],
)
def test_all_else_is_refused(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"x#_target_.*written into the configuration"):
        component_name("x#_target_", name)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("pipeline.train.losses.Jaccard", "pipeline.parts.Jaccard"),
        ("pipeline.networks.registry.build_network", "pipeline.parts.build_network"),
        ("LovaszSoftmax", "pipeline.parts.LovaszSoftmax"),
    ],
)
def test_a_part_given_by_its_module_is_refused_with_its_name(name: str, called: str) -> None:
    with pytest.raises(ConfigError, match=f"which is called {called};"):
        component_name("x#_target_", name)


def test_nothing_is_said_of_names_that_are_not_ours() -> None:
    with pytest.raises(ConfigError) as raised:
        component_name("x#_target_", "os.Jaccard")
    assert "is called" not in str(raised.value)
