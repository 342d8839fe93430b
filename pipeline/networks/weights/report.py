"""Outcome of loading weights, tensor by tensor, and what to say of those that do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.core.errors import BundleError

__all__ = ["Changes", "LoadReport", "Shape", "refuse_misfit"]

Shape = tuple[int, ...]
Changes = dict[str, tuple[Shape, Shape]]

_N_NAMED = 5


@dataclass(frozen=True)
class LoadReport:
    """Outcome of loading, tensor by tensor.

    Attributes:
        layout: of the state dict.
        loaded: the network's tensors that were loaded unchanged.
        adapted: those loaded after their input channels were adapted -> (shape that came, shape needed).
        skipped: those left unchanged on request.
        missing: those of the target that the state dict lacks.
        mismatched: those of another shape in the state dict -> (shape that came, shape needed).
        unexpected: names in the state dict, converted to ours, that the target lacks.
        dropped: names in the state dict that the layout has but our network lacks, and can do without, or that were
            left out on request.
        origin: for the weights of a whole published network the one here that gives its very logits, in words, unless
            that is the network itself.
    """

    layout: str
    loaded: tuple[str, ...]
    adapted: Changes
    skipped: tuple[str, ...]
    missing: tuple[str, ...]
    mismatched: Changes
    unexpected: tuple[str, ...]
    dropped: tuple[str, ...]
    origin: str | None = None

    def lines(self, kind: str) -> list[str]:
        """The tensors of one kind (the name of an attribute), each with its shapes if they differ."""
        found = getattr(self, kind)
        if isinstance(found, Mapping):
            return [f"{name} {came} -> {needed}" for name, (came, needed) in found.items()]
        return list(found)

    def __str__(self) -> str:
        """One line of counts, then a line for each tensor that was not simply loaded."""
        lines = [f"{self.layout} weights: {len(self.loaded)} tensors loaded, {len(self.adapted)} adapted"]
        if self.origin:
            lines.append(f"  a start only: the logits that they were published with are those of {self.origin}")
        for kind in ("adapted", "skipped", "missing", "mismatched", "unexpected", "dropped"):
            lines += [f"  {kind}: {line}" for line in self.lines(kind)]
        return "\n".join(lines)


def refuse_misfit(report: LoadReport, *, strict: bool) -> None:
    """Refuse weights that do not fit a network.

    Args:
        report: on how they fit.
        strict: refuse them if anything is missing, of another shape or unexpected; otherwise only if nothing fits.

    Raises:
        BundleError: they do not fit; it names what does not, and the network of ours that they would fit.
    """
    if not report.loaded and not report.adapted:
        whose = f"; they are those of {report.origin}" if report.origin else "; they may belong to another one"
        raise BundleError(f"no tensor of the {report.layout} weights fits the network{whose}")
    kinds = [kind for kind in ("missing", "mismatched", "unexpected") if getattr(report, kind)]
    if strict and kinds:
        told = "; ".join(f"{len(report.lines(kind))} {kind}: {_first_few(report.lines(kind))}" for kind in kinds)
        raise BundleError(
            f"the {report.layout} weights must fit the network tensor by tensor, got {told}; {_advise(report)}"
        )


def _advise(report: LoadReport) -> str:
    """What to do about weights that do not fit."""
    only_classes = all(came[1:] == needed[1:] for came, needed in report.mismatched.values())
    if only_classes and not report.missing and not report.unexpected:
        heads = ", ".join(dict.fromkeys(name.rpartition(".")[0] for name in report.mismatched))
        return f"for other classes leave [{heads}] as they are by `skip` (`pretrained_skip` of a training)"
    if report.origin:
        return f"they fit {report.origin}"
    return "leave layers as they are by `skip` (`pretrained_skip` of a training), or take what fits by `strict=False`"


def _first_few(lines: Sequence[str]) -> str:
    return ", ".join(lines[:_N_NAMED]) + (", ..." if len(lines) > _N_NAMED else "")
