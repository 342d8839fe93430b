"""Several processes that train as one would on their whole batch: its random numbers, statistics and loss.

Each process has the samples `rank`, `rank + n`, ... of a batch. `DistributedDataParallel` averages the gradients of the
processes' losses, which is the gradient of the whole batch's loss only where that is a mean over samples. Region losses
are not, and batch normalisation is no function of one sample. What is here makes both the whole batch's. In a single
process all of it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import ignite.distributed as idist
import torch
import torch.distributed
from torch import nn
from torch.autograd import Function
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.core.errors import ConfigError

__all__ = ["WholeBatchLoss", "draw", "require_samples", "share_of", "share_statistics"]

_Rows = TypeVar("_Rows", torch.Tensor, Sequence[Any])

_HARDLY_ANY = 1e-30  # keeps the variance of constant values from a division by 0


def share_of(rows: _Rows) -> _Rows:
    """What this process has of something with a row for each sample of a batch."""
    return cast(_Rows, rows[idist.get_rank() :: idist.get_world_size()])


def draw(
    sampler: Callable[..., torch.Tensor], n: int, *shape: int, device: torch.device | str | None = None
) -> torch.Tensor:
    """Random numbers for this process's samples: those that a single process would draw for them.

    All processes draw the whole batch's, from generators that `EpochSeed` has put into one state.

    Args:
        sampler: such as `torch.rand`.
        n: samples of this process; all have as many.
        shape: of a sample's numbers.
        device: of the numbers.

    Returns:
        (n, *shape).
    """
    return share_of(sampler(n * idist.get_world_size(), *shape, device=device))


def require_samples(n: int, *, of: str) -> None:
    """Refuse more processes than there are samples: one without any would keep the others waiting.

    Raises:
        ConfigError: there are more.
    """
    if n < idist.get_world_size():
        raise ConfigError(
            f"each process needs a part of the {of}, and {n} are too few for {idist.get_world_size()} processes: "
            "use fewer"
        )


class WholeBatchLoss(nn.Module):
    """A loss of the batch that all processes have together; each computes all of it.

    Where a network gives other things than one output a sample, as a detector its terms, it is that of the process's
    own samples, and what is trained on is the mean over processes.

    Args:
        loss: takes outputs and labels of a batch.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: torch.Tensor | Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss.

        Args:
            outputs: logits (N, ...) of this process's samples, or several of them.
            labels: (N, ...).
        """
        several = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        if idist.get_world_size() > 1 and all(one.ndim and len(one) == len(labels) for one in several):
            several, labels = [_gather(one) for one in several], _gather(labels)
            outputs = several[0] if isinstance(outputs, torch.Tensor) else several
        return cast(torch.Tensor, self.loss(outputs, labels))


def share_statistics(network: nn.Module) -> nn.Module:
    """Let a network's batch normalisation take mean and variance of all processes' samples, in place.

    On CUDA by torch's `SyncBatchNorm`, which cannot do it on a CPU. Names and values of weights stay.
    """
    if torch.cuda.is_available():
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm) and not isinstance(child, _CommonBatchNorm):
                setattr(module, name, _CommonBatchNorm(child))
    return network


class _CommonBatchNorm(_BatchNorm):
    """Batch normalisation over all processes' samples, on any device that collectives work on."""

    def __init__(self, own: _BatchNorm) -> None:
        super().__init__(own.num_features, own.eps, own.momentum, own.affine, own.track_running_stats)
        self.weight, self.bias = own.weight, own.bias
        self.running_mean, self.running_var = own.running_mean, own.running_var
        self.num_batches_tracked = own.num_batches_tracked
        self.train(own.training)

    def _check_input_dim(self, values: torch.Tensor) -> None:
        """Any number of axes: that was checked by whoever chose the layer that this one stands for."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if not self.training or idist.get_world_size() == 1:
            return super().forward(values)
        normalised, mean, variance, n = _Normalise.apply(values, self.weight, self.bias, self.eps)
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (n / (n - 1)), share)
        return cast(torch.Tensor, normalised)


class _Normalise(Function):
    """Normalise (N, C, ...) by the statistics of all processes: formulas as in `torch.nn.SyncBatchNorm`.

    Sums and products over voxels are left to torch's kernels for batch normalisation, which pass over memory once for
    what takes several operations otherwise.
    """

    @staticmethod
    def forward(
        context: Any, values: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
        means, variances = _gather_rows(torch.stack(_moments(values))[None]).unbind(1)
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        context.save_for_backward(values, weight, mean, variance)
        context.eps, context.n = eps, values.numel() // values.shape[1] * len(means)
        context.mark_non_differentiable(mean, variance)
        return functional.batch_norm(values, mean, variance, weight, bias, eps=eps), mean, variance, context.n

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:
        values, weight, mean, variance = context.saved_tensors
        scale = (variance + context.eps).rsqrt()
        along_values, sums = _gradient_sums(gradient, values, mean, scale)
        factor = scale if weight is None else scale * weight
        along, offset = _gather_rows(torch.stack([along_values, sums])[None]).sum(0) / context.n * factor
        back = functional.batch_norm(gradient, torch.zeros_like(mean), torch.ones_like(mean), factor, eps=0.0)
        back -= functional.batch_norm(values, mean, variance, along, offset, eps=context.eps)
        return back, None if weight is None else along_values, None if weight is None else sums, None


def _moments(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance (C) of (N, C, ...), in single precision at least."""
    one = torch.ones(values.shape[1], dtype=torch.promote_types(values.dtype, torch.float32), device=values.device)
    _, mean, scale = torch.native_batch_norm(values, one, torch.zeros_like(one), None, None, True, 0.0, _HARDLY_ANY)
    return mean, scale.pow(-2)


def _gradient_sums(
    gradient: torch.Tensor, values: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums (C) of a gradient (N, C, ...) times the normalised values, and of the gradient."""
    _, along_values, sums = torch.ops.aten.native_batch_norm_backward(
        gradient, values, torch.ones_like(mean), None, None, mean, scale, True, 0.0, [False, True, True]
    )
    return along_values, sums


class _Gathered(Function):
    """The rows of all processes, in the whole batch's order.

    All compute the same with them, so that the derivative of the sum of what they compute is each one's own times
    their number. `DistributedDataParallel` divides by it again.
    """

    @staticmethod
    def forward(_context: Any, own: torch.Tensor) -> torch.Tensor:
        return _gather_rows(own)

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return share_of(gradient) * idist.get_world_size()


def _gather(own: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, _Gathered.apply(own)) if own.requires_grad else _gather_rows(own)


def _gather_rows(own: torch.Tensor) -> torch.Tensor:
    rows = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(idist.get_world_size())]
    torch.distributed.all_gather(rows, own.contiguous())
    return torch.stack(rows, 1).flatten(0, 1)
