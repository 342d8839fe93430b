"""How a 2D network is run over a cine: batches of slices, in windows around the heart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.inferers import Inferer, sliding_window_inference
from monai.utils import convert_to_dst_type, convert_to_tensor

from pipeline.core.errors import ConfigError
from pipeline.core.pose import POSES
from pipeline.infer.context import neighbour_indices
from pipeline.infer.heart import MARGIN_PIXELS, REACH, heart_piece, heart_rank
from pipeline.infer.pose import choose_pose, middle_slices, pose_scores
from pipeline.infer.precision import AutocastInferer
from pipeline.infer.rotation import rotate
from pipeline.prepare.view import tells_pose

__all__ = ["POSE_SCORES", "CineInferer", "Forward"]

POSE_SCORES = "pose_scores"
"""Under this key of the metadata lie each cine's pose scores, and whether its header tells the pose: (B, 9) float64."""

Forward = Callable[[torch.Tensor], torch.Tensor]

_CERTAIN = 10.0  # logit outside the window: background with a probability of nearly 1


class CineInferer(Inferer):
    """Runs a 2D network over every slice of every phase of a cine.

    Slices larger than the window are covered by overlapping windows with Gaussian weights, smaller ones are padded.
    With `focus` this is done only for the middle half of the first phase's slices, to find the heart, for which the
    window in the image's middle is looked at as well. If the heart (`heart_piece`) fits into one window with a margin,
    every slice of every phase is then run once, in the window around it, and everything outside is background. A heart
    moves by less than the margin.

    With `poses` a few slices of the first phase are shown to the network in all eight poses first, and the cine is
    segmented in another than its own if the network sees clearly more of a heart in it (`infer.pose`). The logits lie
    as the input does.

    Args:
        roi_size: in-plane window (x, y) in pixels that the network was trained with.
        batch_slices: how many windows pass through the network at once.
        overlap: fraction of the window that neighbours share, 0 up to below 1.
        amp: mixed precision where it pays.
        turns_deg: test-time augmentation: logits are averaged over these rotations of the slices. Rotations are what
            training has seen; mirror images are not, and the right ventricle has a side.
        poses: look for the pose of the heart; class 0 must be the background.
        focus: find the heart in the first phase's middle, and look at it alone.
        context: neighbouring slices on each side that the network sees as further channels.
        refine: takes logits (N, C, X, Y) and the slices they are of (N, 1, X, Y), gives better logits, as a dense CRF.
        background: the class that is no structure of the heart.

    Raises:
        ConfigError: no window at once, an overlap out of range, no rotation, or poses where class 0 is a structure.
    """

    def __init__(
        self,
        roi_size: tuple[int, int],
        *,
        batch_slices: int = 16,
        overlap: float = 0.25,
        amp: bool = True,
        turns_deg: Sequence[float] = (0.0,),
        poses: bool = False,
        focus: bool = False,
        context: int = 0,
        refine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
        background: int = 0,
    ) -> None:
        super().__init__()
        if batch_slices < 1 or not 0 <= overlap < 1 or not len(turns_deg):
            raise ConfigError(
                "`batch_slices` must be 1 or more, `overlap` from 0 to below 1, `turns_deg` one rotation or more, got "
                f"{batch_slices}, {overlap} and {list(turns_deg)}"
            )
        if poses and background:
            raise ConfigError(f"`poses` needs the background as class 0, got {background}: set `poses` to false")
        self.roi_size = tuple(roi_size)
        self.batch_slices = batch_slices
        self.overlap = overlap
        self.amp = amp
        self.turns_deg = tuple(turns_deg)
        self.poses = poses
        self.focus = focus
        self.context = context
        self.refine = refine
        self.background = background
        self._reach = REACH * min(self.roi_size)

    def __call__(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """Segment a batch of cines.

        Args:
            inputs: (B, T, X, Y, Z) prepared images. Time is the channel axis.
            network: maps (N, 1 + 2 * context, x, y) to logits (N, C, x, y).
            args: passed on to the network.
            kwargs: passed on to the network.

        Returns:
            (B, T*C, X, Y, Z) float32 logits, phase-major: channel `t * C + c`; with `poses` and for a `MetaTensor`,
            the metadata say what was found of the pose (`POSE_SCORES`).
        """

        def forward(windows: torch.Tensor) -> torch.Tensor:
            return AutocastInferer(self.amp)(windows, network, *args, **kwargs)

        plain = convert_to_tensor(inputs, track_meta=False)  # metadata would be checked at every window
        if not self.poses:
            logits = torch.stack([self._segment(cine, forward) for cine in plain])
            return convert_to_dst_type(logits, inputs)[0]  # with the images' metadata, which `Invertd` needs
        pairs = [
            self._segment_in_pose(cine, forward, told) for cine, told in zip(plain, _tell_poses(inputs), strict=True)
        ]
        result = convert_to_dst_type(torch.stack([logits for logits, _ in pairs]), inputs)[0]
        if isinstance(result, MetaTensor):
            result.meta = {**result.meta, POSE_SCORES: torch.tensor(np.stack([scores for _, scores in pairs]))}
        return result

    def _segment_in_pose(self, cine: torch.Tensor, forward: Forward, told: bool) -> tuple[torch.Tensor, np.ndarray]:
        """One cine in the pose of its heart: its logits as it lies itself, the poses' scores, and `told` behind."""

        def run(slices: torch.Tensor) -> torch.Tensor:
            batches = self._batches(slices[None])
            return torch.cat([self._slide(batch, forward, n_windows=self.batch_slices) for batch in batches])

        slices = cine[:1].permute(0, 3, 1, 2)[0, neighbour_indices(cine.shape[3], self.context)]
        scores = pose_scores(slices[middle_slices(cine.shape[3])], run, window=self.roi_size)
        pose = POSES[choose_pose(scores)]
        logits = pose.inverse.apply(self._segment(pose.apply(cine), forward))
        return logits, np.append(scores, float(told))

    def _segment(self, cine: torch.Tensor, forward: Forward) -> torch.Tensor:
        """One cine (T, X, Y, Z) to logits (T*C, X, Y, Z)."""
        n_phases, size_x, size_y, n_slices = cine.shape
        stacks = cine.permute(0, 3, 1, 2)[:, neighbour_indices(n_slices, self.context)]
        aside = n_slices // 4  # skips the outer slices, where the heart is smallest: the search takes two fifths less
        heart = self._find_heart(stacks[0, aside : n_slices - aside], forward) if self.focus else None
        if heart is None:
            logits = self._run(stacks, forward)
        else:
            inside = self._run(stacks[..., heart[0], heart[1]], forward)
            logits = inside.new_full((*inside.shape[:2], size_x, size_y), -_CERTAIN)
            logits[:, self.background] = _CERTAIN
            logits[:, :, heart[0], heart[1]] = inside
        stacked = logits.reshape(n_phases, n_slices, -1, size_x, size_y)
        return stacked.permute(0, 2, 3, 4, 1).reshape(-1, size_x, size_y, n_slices)

    def _find_heart(self, slices: torch.Tensor, forward: Forward) -> tuple[slice, slice] | None:
        """The window around the heart found in slices (Z, C, X, Y), or `None` if the heart does not fit into one.

        Searches among overlapping windows, where edges may cut the heart, so that something else is found: that window
        and the one in the middle, around which images are planned, are looked at once more, and the better one counts.
        """
        sizes = slices.shape[2:]
        if all(size <= window for size, window in zip(sizes, self.roi_size, strict=True)):
            return None
        places = [self._middle_window(sizes)]
        labels = self._decide(slices, forward)
        if labels.any():
            found = self._window_around(labels)
            if found is None:
                return None
            places.insert(0, found)
        looks = [self._look(slices, place, forward) for place in places]
        ranks = [heart_rank(look.cpu().numpy(), reach=self._reach) for look in looks]
        best = int(np.argmax(ranks))
        return (self._window_around(looks[best]) or places[best]) if looks[best].any() else None

    def _middle_window(self, sizes: Sequence[int]) -> tuple[slice, slice]:
        starts = [max(0, (size - window) // 2) for size, window in zip(sizes, self.roi_size, strict=True)]
        ends = [min(size, start + window) for size, start, window in zip(sizes, starts, self.roi_size, strict=True)]
        return slice(starts[0], ends[0]), slice(starts[1], ends[1])

    def _look(self, slices: torch.Tensor, place: tuple[slice, slice], forward: Forward) -> torch.Tensor:
        """Labels (Z, X, Y) of slices (Z, C, X, Y) by one window, background outside."""
        inside = self._decide(slices[:, :, place[0], place[1]], forward)
        labels = inside.new_zeros((len(slices), *slices.shape[2:]))
        labels[:, place[0], place[1]] = inside
        return labels

    def _decide(self, slices: torch.Tensor, forward: Forward) -> torch.Tensor:
        """Slices (Z, C, X, Y) to labels (Z, X, Y): 0 for the background, and from 1 on for the other classes."""
        logits = self._run(slices[None], forward)
        others = [index for index in range(logits.shape[1]) if index != self.background]
        return logits[:, [self.background, *others]].argmax(1)

    def _window_around(self, labels: torch.Tensor) -> tuple[slice, slice] | None:
        """The window around the heart in labels (Z, X, Y), or `None` if there is none, or it does not fit."""
        if not labels.any():
            return None
        found = torch.from_numpy(heart_piece(labels.cpu().numpy(), reach=self._reach)).any(0)
        places = []
        for axis, (size, window) in enumerate(zip(labels.shape[1:], self.roi_size, strict=True)):
            hits = found.any(1 - axis).nonzero()
            low, high = int(hits.min()), int(hits.max()) + 1
            if high - low + 2 * MARGIN_PIXELS > window:
                return None
            start = max(0, min((low + high - window) // 2, size - window))
            places.append(slice(start, min(start + window, size)))
        return places[0], places[1]

    def _run(self, stacks: torch.Tensor, forward: Forward) -> torch.Tensor:
        """Stacks (T, Z, 1 + 2 * context, X, Y) to logits (T*Z, C, X, Y)."""
        return torch.cat([self._refine(batch, forward) for batch in self._batches(stacks)])

    def _batches(self, stacks: torch.Tensor) -> Sequence[torch.Tensor]:
        return stacks.flatten(0, 1).split(self.batch_slices)

    def _refine(self, slices: torch.Tensor, forward: Forward) -> torch.Tensor:
        logits = self._average_over_turns(slices, forward)
        return logits if self.refine is None else self.refine(logits, slices[:, self.context, None])

    def _average_over_turns(self, slices: torch.Tensor, forward: Forward) -> torch.Tensor:
        turned = [
            rotate(self._slide(rotate(slices, degrees=angle), forward, n_windows=self.batch_slices), degrees=-angle)
            for angle in self.turns_deg
        ]
        return torch.stack(turned).mean(0)

    def _slide(self, slices: torch.Tensor, forward: Forward, *, n_windows: int) -> torch.Tensor:
        """Slices (N, C, X, Y) to logits of the same size, so many windows at once."""
        logits = sliding_window_inference(
            slices,
            roi_size=self.roi_size,
            sw_batch_size=n_windows,
            predictor=forward,
            overlap=self.overlap,
            mode="gaussian",
            padding_mode="replicate",
        )
        return cast(torch.Tensor, logits)


def _tell_poses(inputs: torch.Tensor) -> list[bool]:
    """Whether the header of each image of a batch tells the pose; not where there is none."""
    if not isinstance(inputs, MetaTensor):
        return [False] * len(inputs)
    affines = inputs.affine.cpu().numpy().reshape(-1, 4, 4)
    return [tells_pose(affine) for affine in np.broadcast_to(affines, (len(inputs), 4, 4))]
