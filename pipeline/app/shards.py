"""A share of a cohort, so that several commands work on one, as the tasks of a cluster's array job."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from pipeline.core.errors import ConfigError
from pipeline.read.discover import CaseFiles

__all__ = ["Shard", "parse_shard"]


@dataclass(frozen=True)
class Shard:
    """One of several shares, which a case belongs to by its own identity, whatever lies beside it.

    Attributes:
        number: which, from 1 to `n`.
        n: of how many.
    """

    number: int
    n: int

    def has(self, case: CaseFiles) -> bool:
        """Whether a case is of this share."""
        digest = hashlib.sha256(case.identity.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.n == self.number - 1


def parse_shard(text: str) -> Shard:
    """Read a share as users write it.

    Raises:
        ConfigError: it is none.

    >>> parse_shard("3/100")
    Shard(number=3, n=100)
    """
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(f"`--shard` must be K/N with K from 1 to N, as 3/100, got {text!r}")
    return Shard(int(found[1]), int(found[2]))
