"""A training of a moment by one or several processes, as `torchrun` starts them: its losses and weights.

python -m tests.train.whole_batch RESULT SAMPLES
"""

from __future__ import annotations

import sys

import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch.nn.parallel import DistributedDataParallel

from pipeline.train.augment import AugmentBatch
from pipeline.train.batches import PrepareAugmentedBatch
from pipeline.train.datasets import Batches
from pipeline.train.distributed import start_process_group, stop_process_group
from pipeline.train.handlers import EpochSeed, loss_of
from pipeline.train.losses import DiceCrossEntropy
from pipeline.train.time_limit import TimeLimit
from pipeline.train.whole_batch import WholeBatchLoss, share_statistics

ALL_CHANGES = {"p_" + name: 0.5 for name in ("elastic", "noise", "ghosting", "blur", "quarter_turn", "bias")}


class Memory:
    """Where the slices lie."""

    device = torch.device("cpu")


class Squares:
    """Noise with bright rectangles to be found, some pixels unlabelled, so that the loss is no mean over samples."""

    memory = Memory()

    def __init__(self, n: int) -> None:
        generator = torch.Generator().manual_seed(7)
        self.image = torch.randn(n, 1, 20, 20, generator=generator)
        self.label = torch.zeros(n, 1, 20, 20, dtype=torch.uint8)
        for place in range(n):
            self.label[place, 0, 4 : 6 + place % 7, 5:14] = 1
            self.label[place, 0, :place] = 255
        self.image += 3 * (self.label == 1)

    def __len__(self) -> int:
        return len(self.image)

    def batch(self, indices: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"image": self.image[indices], "label": self.label[indices]}


def main(result: str, n_samples: str) -> None:
    torch.set_num_threads(1)
    start_process_group()
    torch.manual_seed(3)
    network: torch.nn.Module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 2, 1),
    )
    bare = network
    if torch.distributed.get_world_size() > 1:
        network = DistributedDataParallel(share_statistics(network))
    losses: list[torch.Tensor] = []
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=2,
        train_data_loader=Batches(Squares(int(n_samples)), batch_size=4),
        network=network,
        optimizer=torch.optim.AdamW(bare.parameters(), lr=0.01),
        loss_function=WholeBatchLoss(DiceCrossEntropy()),
        prepare_batch=PrepareAugmentedBatch(AugmentBatch((16, 16), **ALL_CHANGES)),
        train_handlers=[EpochSeed(5), TimeLimit(60.0)],
        decollate=False,
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(loss_of(engine.state.output)))
    trainer.run()
    if torch.distributed.get_rank() == 0:
        torch.save({"losses": torch.stack(losses), "weights": bare.state_dict()}, result)
    stop_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
