"""Which components a setting may name."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.app.components import component_name
from pipeline.core.errors import ConfigError


@pytest.mark.parametrize(
    "name",
    [
        "pipeline.train.losses.Jaccard",
        "pipeline.train.stacks.StackInferer",
        "pipeline.networks.registry.build_network",
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
        "pipeline.app.predict.Segmenter",
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
        ["pipeline.train.losses.Jaccard"],
    ],
)
def test_all_else_is_refused(name: Any) -> None:
    with pytest.raises(ConfigError, match=r"x#_target_.*written into the configuration"):
        component_name("x#_target_", name)
