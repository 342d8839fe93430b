"""A study beside an earlier one of the same patient, as values that convert to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Change", "Prior", "SamePatientBy"]

SamePatientBy = Literal["patient_id", "pseudonym", "user"]
"""What tells that both studies are of one patient."""


@dataclass(frozen=True)
class Change:
    """A quantity then and now.

    Attributes:
        quantity: its name, see `core.quantities`.
        before: in the prior study.
        now: in this one.
        change: now - before, for fractions in percentage points.
        change_percent: of the value before; `None` where that is 0.
        limit: largest difference that 95 % of repeated examinations of an unchanged heart stay within; `None` where
            none is published.
        beyond: whether the change is larger, likewise.
    """

    quantity: str
    before: float
    now: float
    change: float
    change_percent: float | None = None
    limit: float | None = None
    beyond: bool | None = None


@dataclass(frozen=True)
class Prior:
    """Comparison with a prior study.

    Attributes:
        case: name of the prior case's folder.
        same_patient_by: what tells that both are of one patient.
        changes: of every quantity that both studies have.
        interval_days: from the prior study to this one; `None` where a date is not known.
        sources: of the limits.
        notes: a sentence for each thing in which the two differ but the heart.
    """

    case: str
    same_patient_by: SamePatientBy
    changes: tuple[Change, ...]
    interval_days: int | None = None
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Prior:
        """Read back what `measurements.json` holds.

        Raises:
            KeyError, TypeError: the object has another form.
        """
        known = dict(content) | {"changes": tuple(Change(**change) for change in content["changes"])}
        return cls(**known | {key: tuple(content[key]) for key in ("sources", "notes")})
