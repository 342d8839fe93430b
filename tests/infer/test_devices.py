"""Devices that are there, and those that are not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.infer.devices import require_device


def test_a_device_that_is_there() -> None:
    assert require_device("cpu") == require_device(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpu", "must be one of torch's, as cpu or cuda:0, got 'gpu'"),
        (None, "must be one of torch's"),
        ("cuda:77", "the device 'cuda:77' cannot be used here, got: cpu"),
        ("meta", "the device 'meta' cannot be used here"),
    ],
)
def test_others_are_refused_in_one_sentence(name: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        require_device(name)
    assert "\n" not in str(raised.value)
