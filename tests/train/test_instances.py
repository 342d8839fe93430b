"""Training a network that computes its own losses, in MONAI's trainer."""

from __future__ import annotations

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer

from pipeline.core.errors import ConfigError
from pipeline.infer.cine import CineInferer
from pipeline.infer.precision import AutocastInferer
from pipeline.networks.mask_rcnn import MaskRCNN
from pipeline.train.augment import AugmentBatch
from pipeline.train.averaging import WeightAverage
from pipeline.train.batches import PrepareAugmentedBatch
from pipeline.train.instances import PrepareWithLabels, SumOfTerms


def _batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    label = torch.zeros(2, 1, 48, 48, dtype=torch.uint8)
    label[:, :, 12:36, 10:34] = 2
    label[:, :, 18:30, 16:28] = 1
    return {"image": label + torch.rand(2, 1, 48, 48), "label": label}


def test_the_label_goes_to_the_network_as_it_was_augmented() -> None:
    def prepare(batch: dict, device: object, non_blocking: bool, **kwargs: object) -> tuple[torch.Tensor, torch.Tensor]:
        assert (device, non_blocking, kwargs) == ("cpu", True, {"dtype": torch.float32})
        return batch["image"] * 2, batch["label"] + 1

    batch = _batch()
    image, label, args, kwargs = PrepareWithLabels(prepare)(batch, "cpu", True, dtype=torch.float32)
    assert image.equal(batch["image"] * 2)
    assert label.equal(batch["label"] + 1)
    assert len(args) == 1
    assert args[0] is label
    assert kwargs == {}


def test_terms_are_summed_with_their_weights() -> None:
    terms = [torch.tensor(1.0), torch.tensor(2.0), torch.tensor(4.0)]
    assert SumOfTerms()(terms, torch.zeros(1)) == 7
    assert SumOfTerms([1.0, 0.5, 2.0])(terms, torch.zeros(1)) == 10


def test_weights_are_checked() -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        SumOfTerms([1.0, -1.0])
    with pytest.raises(ConfigError, match="3 terms needs as many weights, got 2"):
        SumOfTerms([1.0, 1.0])([torch.zeros(())] * 3)


def test_mask_rcnn_in_the_ordinary_trainer() -> None:
    """Augmentation, autocast, average and decollation as in every training; the average segments a cine."""
    torch.manual_seed(0)
    network = MaskRCNN(1, 4, channels=8, hidden=8, n_proposals=16).to(memory_format=torch.channels_last)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    average = WeightAverage(network, decay=0.5)
    losses: list[float] = []
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=2,
        train_data_loader=[_batch()] * 2,
        network=network,
        optimizer=torch.optim.AdamW(network.parameters(), lr=1e-3),
        loss_function=SumOfTerms(),
        inferer=AutocastInferer(),
        prepare_batch=PrepareWithLabels(PrepareAugmentedBatch(AugmentBatch((48, 48)))),
        train_handlers=[average],
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output[0]["loss"]))
    trainer.run()
    assert len(losses) == 4
    assert all(torch.tensor(losses).isfinite())
    assert all(not p.equal(before[name]) for name, p in network.named_parameters())
    with torch.inference_mode():
        logits = CineInferer((48, 48))(torch.randn(1, 2, 60, 52, 3), average.network.eval())
    assert logits.shape == (1, 2 * 4, 60, 52, 3)
