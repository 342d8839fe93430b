"""Functional groups of multi-frame objects (PS3.3 C.7.6.16): a frame's own first, then those that all share."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

__all__ = ["FunctionalGroups"]


@dataclass(frozen=True)
class FunctionalGroups:
    """Functional groups of one frame.

    Attributes:
        own: its item of PerFrameFunctionalGroupsSequence.
        shared: the item of SharedFunctionalGroupsSequence; empty where there is none.
    """

    own: Dataset
    shared: Dataset

    def macro(self, keyword: str) -> Dataset:
        """First item of a functional group's sequence; empty where the group is absent."""
        for group in (self.own, self.shared):
            if group.get(keyword):
                return group[keyword].value[0]
        return Dataset()

    @property
    def converted(self) -> tuple[Dataset, Dataset]:
        """Elements of a legacy converted image that have no functional group: the frame's own, those of all."""
        return (
            self.macro("UnassignedPerFrameConvertedAttributesSequence"),
            self.macro("UnassignedSharedConvertedAttributesSequence"),
        )
