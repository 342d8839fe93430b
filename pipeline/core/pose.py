"""The eight ways in which a picture can be laid down without resampling: four turns, and the same of its mirror image.

And which of them a study was laid down in, with who said so: its header or the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["AS_STORED", "CLEAR_RATIO", "POSES", "Pose", "PoseFinding"]

CLEAR_RATIO = 1.2
"""How many times as much of a heart the network must see in another pose than the header's to overrule the header.

On 30 of ACDC's training patients and 19 Sunnybrook patients, as delivered, ratios from 1.02 to 1.2 do the same for Dice
(ACDC 0.881, 0.857 without a look at the pose; Sunnybrook 0.933 in all), and 1.35 loses some of it (0.878). The largest
is taken, for the picture is a weak witness of which side is left: a ratio of 1 lost the right ventricle of a validation
patient, whose mirror image scores 1.12 times as high."""


@dataclass(frozen=True)
class Pose:
    """How slices are laid down anew: first X and Y are exchanged, then axes are flipped.

    Attributes:
        transpose: whether X and Y are exchanged.
        flip_x: whether the (new) X is flipped: left and right of the picture.
        flip_y: whether the (new) Y is flipped: up and down.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def name(self) -> str:
        """Its name in plain words, of a picture with X to the right and Y down.

        >>> Pose(True, True, False).name, Pose(False, False, True).name
        ('turned by 90 degrees clockwise', 'mirrored upside down')
        """
        return _NAMES[self]

    @property
    def is_mirror(self) -> bool:
        """Whether it makes a mirror image."""
        return self.transpose ^ self.flip_x ^ self.flip_y

    @property
    def inverse(self) -> Pose:
        """The pose that undoes this one."""
        return Pose(True, self.flip_y, self.flip_x) if self.transpose else self

    def then(self, other: Pose) -> Pose:
        """This pose and then another, as one.

        >>> quarter = Pose(True, True, False)
        >>> quarter.then(quarter).name
        'turned by 180 degrees'
        """
        flips = (self.flip_y, self.flip_x) if other.transpose else (self.flip_x, self.flip_y)
        return Pose(self.transpose ^ other.transpose, flips[0] ^ other.flip_x, flips[1] ^ other.flip_y)

    def apply(self, pictures: Any, *, axes: tuple[int, int] = (-3, -2)) -> Any:
        """Lay pictures down in this pose.

        Args:
            pictures: array or tensor, of any number of axes.
            axes: which of them are X and Y, counted from the end; by default those of (..., X, Y, Z).

        Returns:
            The same kind, a view where the kind allows it.
        """
        laid = pictures.swapaxes(*axes) if self.transpose else pictures
        flipped = tuple(axis for axis, flips in zip(axes, (self.flip_x, self.flip_y), strict=True) if flips)
        if not flipped:
            return laid
        return np.flip(laid, flipped) if isinstance(laid, np.ndarray) else laid.flip(flipped)

    def index_matrix(self, shape: tuple[int, ...]) -> np.ndarray:
        """(4, 4): index into the pictures as laid down -> index into those of `shape` (X, Y, Z) that they were.

        The affine of what `apply` gives is the old one times this matrix.
        """
        sizes = (shape[1], shape[0]) if self.transpose else (shape[0], shape[1])
        flip = np.eye(4)
        for axis, flips in enumerate((self.flip_x, self.flip_y)):
            if flips:
                flip[axis, axis], flip[axis, 3] = -1.0, sizes[axis] - 1.0
        return flip[[1, 0, 2, 3]] if self.transpose else flip


AS_STORED = Pose()
POSES = tuple(Pose(transpose, x, y) for transpose in (False, True) for x in (False, True) for y in (False, True))
"""All eight, the one that changes nothing first."""

_NAMES = {
    Pose(): "as stored",
    Pose(True, True, False): "turned by 90 degrees clockwise",
    Pose(False, True, True): "turned by 180 degrees",
    Pose(True, False, True): "turned by 90 degrees anticlockwise",
    Pose(False, True, False): "mirrored left to right",
    Pose(False, False, True): "mirrored upside down",
    Pose(True, False, False): "mirrored with rows as columns",
    Pose(True, True, True): "mirrored with rows as columns and turned by 180 degrees",
}


@dataclass(frozen=True)
class PoseFinding:
    """How a study's slices were laid down for the network, and why.

    Attributes:
        pose: what was done to the stored slices.
        header_pose: what their header asks for; of a header that tells nothing, what is done by convention.
        header_tells: whether the header can tell how the heart lies.
        over_header: how many times as much of a heart the network sees in `pose` as in `header_pose`.
        over_next: as in the best of the other seven poses; near 1 where two serve as well.
    """

    pose: Pose
    header_pose: Pose
    header_tells: bool
    over_header: float
    over_next: float

    @property
    def contradicts_header(self) -> bool:
        """Whether the header tells a pose, and the picture is in another one."""
        return self.header_tells and self.pose != self.header_pose

    def sentence(self) -> str:
        """What was decided and how sure that is, for a note."""
        surely = f"the network sees {self.over_next:.2f} times as much of a heart so as in the next best pose"
        if self.contradicts_header:
            return (
                f"header and picture disagree on the pose: laid down {self.pose.name} by the picture, "
                f"{self.header_pose.name} by the header; the picture decides, for the network sees "
                f"{self.over_header:.2f} times as much of a heart so"
            )
        if self.header_tells:
            return f"pose: laid down {self.pose.name} by the header, and the picture agrees ({surely})"
        return (
            f"pose: laid down {self.pose.name} by the picture, the header does not tell how the heart lies ({surely})"
        )

    def to_json(self) -> dict[str, Any]:
        """As `measurements.json` holds it."""
        return {
            "laid_down": self.pose.name,
            "by_header": self.header_pose.name,
            "header_tells": self.header_tells,
            "over_header": round(self.over_header, 4),
            "over_next": round(self.over_next, 4),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> PoseFinding:
        """Take up what `to_json` gave.

        Raises:
            KeyError: it is no such object, or names no pose.
        """
        by_name = {pose.name: pose for pose in POSES}
        pose, header_pose = by_name[content["laid_down"]], by_name[content["by_header"]]
        rest = (content[key] for key in ("header_tells", "over_header", "over_next"))
        return cls(pose, header_pose, *rest)
