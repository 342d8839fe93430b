"""Learning-rate schedules: hand-worked values and refusals."""

from __future__ import annotations

import pytest
import torch

from pipeline.core.errors import ConfigError
from pipeline.train.schedules import lr_factor, make_schedule


@pytest.mark.parametrize(
    ("iteration", "settings", "expected"),
    [
        (0, {"shape": "constant", "n_iterations": 10}, 1.0),
        (5, {"shape": "poly", "n_iterations": 10}, 0.5**0.9),
        (10, {"shape": "poly", "n_iterations": 10}, 0.0),
        (99, {"shape": "poly", "n_iterations": 10}, 0.0),
        (5, {"shape": "cosine", "n_iterations": 10}, 0.5),
        (10, {"shape": "cosine", "n_iterations": 10}, 0.0),
        (0, {"shape": "cosine", "n_iterations": 12, "n_warmup": 4}, 0.25),
        (3, {"shape": "cosine", "n_iterations": 12, "n_warmup": 4}, 1.0),
        (8, {"shape": "cosine", "n_iterations": 12, "n_warmup": 4}, 0.5),
        (9, {"shape": "poly", "n_iterations": 100, "every": 10}, 1.0),
        (19, {"shape": "poly", "n_iterations": 100, "every": 10}, 0.9**0.9),
        (1, {"shape": "poly", "n_iterations": 104, "n_warmup": 4, "every": 10}, 0.5),
        (14, {"shape": "poly", "n_iterations": 104, "n_warmup": 4, "every": 10}, 0.9**0.9),
        (14, {"shape": "poly", "n_iterations": 25, "n_constant": 15}, 1.0),  # the 2017 study's, in thousands
        (20, {"shape": "poly", "n_iterations": 25, "n_constant": 15}, 0.5**0.9),
    ],
)
def test_factor_by_hand(iteration: int, settings: dict, expected: float) -> None:
    assert lr_factor(iteration, **settings) == pytest.approx(expected, abs=1e-12)


def test_scheduler_steps_per_iteration() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = make_schedule(optimizer, shape="poly", n_iterations=4, power=1.0)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([2.0, 1.5, 1.0, 0.5])


@pytest.mark.parametrize(
    "settings",
    [
        {"shape": "linear"},
        {"shape": "poly", "n_warmup": 10},
        {"shape": "poly", "n_warmup": 5, "n_constant": 5},
        {"shape": "poly", "every": 0},
    ],
)
def test_refusals(settings: dict) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ConfigError, match="must be"):
        make_schedule(optimizer, n_iterations=10, **settings)
