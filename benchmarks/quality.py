"""What quality rules and calibrated certainty are worth, out of fold: patients by the network that never saw them.

    python benchmarks/quality.py OUT FOLD... --data DATA [--data OTHER]

Every FOLD, a training of a cross-validation, segments its own validation patients of DATA, those in whom all structures
were drawn. Rules are also applied to the experts' labels, which should trip hardly any. Predictions are kept in
OUT/predictions and not made again, so that rules can be changed and measured in a minute. Each volume's expected Dice
comes from a calibration made without its patient. The tables also go to OUT/quality.md.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from pipeline.app.segmenter import Segmenter
from pipeline.core.geometry import Grid
from pipeline.core.labels import STRUCTURES, Structure, undrawn_values
from pipeline.core.measurements import Flag
from pipeline.core.probability_sums import ProbabilitySums
from pipeline.evaluate.agreement import bootstrap_interval
from pipeline.evaluate.calibration import GOOD_DICE, cross_fit
from pipeline.evaluate.calibration_rows import JudgedVolume, StructureRow, structure_rows
from pipeline.evaluate.calibration_tables import area_interval
from pipeline.evaluate.overlap import volume_overlap
from pipeline.measure.measurements import measure_cine
from pipeline.measure.quality.assess import assess_quality
from pipeline.read.cine import read_cine, read_label
from pipeline.read.datasets import joined_datalist
from pipeline.read.labels import read_case_label
from pipeline.train.record import read_record

RULES = (
    *("missing_structure", "not_a_heart", "slice_gap", "extra_piece", "hole", "open_wall", "ventricles_swapped"),
    *("right_ventricle_side", "area_jump", "slice_shift", "stack_apex", "stack_base", "volume_limits"),
    *("ejection_limits", "stroke_volumes", "mass_change"),
)
"""Those that need no whole beat, and nothing of the network's."""


@dataclass(frozen=True)
class Volume:
    """One phase of a patient: labels and experts' labels (X, Y, Z) on a grid, and the network's sums."""

    name: str
    patient: str
    phase: str
    grid: Grid
    labels: np.ndarray
    truth: np.ndarray
    sums: ProbabilitySums | None = None

    @property
    def dice(self) -> dict[str, float]:
        """Of each structure with the experts' labels."""
        return {name: both["dice"] or 0.0 for name, both in volume_overlap(self.truth, self.labels).items()}

    @property
    def is_bad(self) -> bool:
        """Whether the mean Dice is below the limit of a good volume."""
        return float(np.mean(list(self.dice.values()))) < GOOD_DICE


def main() -> None:
    """Segment what is missing, and print the tables."""
    options = argparse.ArgumentParser()
    options.add_argument("out", type=Path)
    options.add_argument("folds", type=Path, nargs="+")
    options.add_argument("--data", type=Path, action="append", required=True)
    chosen = options.parse_args()
    cases = [case for case in joined_datalist(chosen.data) if not undrawn_values(_truth(case))]
    found = [volume for fold in chosen.folds for volume in predict(fold, cases, chosen.out / "predictions")]
    judged = {f"{one.patient} {one.volume}": one for one in cross_fit([row for v in found for row in rows(v)])}
    flags, of_experts = flag_volumes(found), flag_volumes(experts(cases))
    tables = [dice_table(found), rule_table(found, flags, of_experts), detection_table(found, flags, judged)]
    tables += [verdict_table(found, flags, judged), ends_table(found)]
    (chosen.out / "quality.md").write_text("\n".join(tables), encoding="utf-8")
    print("\n".join(tables))


def predict(fold: Path, cases: Sequence[Mapping[str, Any]], folder: Path) -> list[Volume]:
    """Segment a fold's validation patients, unless that is done."""
    folder.mkdir(parents=True, exist_ok=True)
    segmenter: Segmenter | None = None
    volumes = []
    record = read_record(fold / "eval" / "run.json")
    assert record is not None, f"{fold} is no fold"
    for case in (case for case in cases if case["patient"] in record["split"]["validation"]):
        path = folder / f"{case['patient']}_{case['phase']}.npz"
        if not path.is_file():
            segmenter = segmenter or Segmenter(fold)
            made = segmenter.segment(read_cine(case["image"]))
            np.savez_compressed(path, labels=made.labels, sums=np.stack(list(vars(made.sums).values())))
        with np.load(path) as kept:
            volumes.append(_volume(case, kept["labels"][0], ProbabilitySums(*kept["sums"])))
    return volumes


def _truth(case: Mapping[str, Any]) -> np.ndarray:
    """The experts' labels, partial where they did not draw a structure."""
    return read_case_label(case, grid=read_cine(case["image"]).grid, n_phases=1).array


def experts(cases: Sequence[Mapping[str, Any]]) -> list[Volume]:
    """The experts' labels as if they had been found."""
    return [_volume(case, None, None) for case in cases]


def rows(volume: Volume) -> list[StructureRow]:
    """A volume as a calibration takes it."""
    assert volume.sums is not None
    truth, labels, name = volume.truth[None], volume.labels[None], {0: volume.phase}
    pairs = structure_rows(truth, labels, volume.sums, volume.grid, patient=volume.patient, volumes=name)
    return [row for row, _ in pairs]


def flag_volumes(volumes: Iterable[Volume]) -> dict[str, list[Flag]]:
    """Flags of each volume, by its name; those of a whole patient stand with each of its volumes."""
    patients: dict[str, list[Volume]] = defaultdict(list)
    for volume in volumes:
        patients[volume.patient].append(volume)
    flags: dict[str, list[Flag]] = {}
    for both in patients.values():
        labels, grid = np.stack([volume.labels for volume in both]), both[0].grid
        quality = assess_quality(labels, grid, measure_cine(labels, grid))
        for phase, volume in enumerate(both):
            flags[volume.name] = [flag for flag in quality.flags if flag.phase in (None, phase)]
    return flags


def dice_table(volumes: Sequence[Volume]) -> str:
    """Dice of each structure and their mean, with intervals over patients."""
    lines = [["Dice, out of fold", *(s.short for s in STRUCTURES), "mean", "volumes"]]
    for name in ("ED", "ES", "both"):
        own = [volume for volume in volumes if name in (volume.phase, "both")]
        columns = [[volume.dice[s.name] for volume in own] for s in STRUCTURES]
        columns.append(np.mean(columns, axis=0).tolist())
        lines.append([name, *(_interval(own, column) for column in columns), str(len(own))])
    return _table(lines)


def rule_table(volumes: Sequence[Volume], flags: Mapping[str, list[Flag]], of_experts: Mapping[str, list[Flag]]) -> str:
    """What each rule finds in the experts' labels and in the networks', and how often what it finds is bad."""
    lines = [["rule", "experts' volumes", "networks' volumes", "bad of these", "bad of the others"]]
    for rule in RULES:
        hit = np.array([rule in {flag.rule for flag in flags[volume.name]} for volume in volumes])
        bad = np.array([volume.is_bad for volume in volumes])
        share = np.mean([rule in {flag.rule for flag in own} for own in of_experts.values()])
        lines.append([f"`{rule}`", f"{share:.0%}", str(hit.sum()), str((hit & bad).sum()), f"{bad[~hit].mean():.0%}"])
    return _table(lines)


def detection_table(
    volumes: Sequence[Volume], flags: Mapping[str, list[Flag]], judged: Mapping[str, JudgedVolume]
) -> str:
    """Area under the ROC curve of scores for a low mean Dice, over volumes."""
    bad, patients = np.array([volume.is_bad for volume in volumes]), np.array([volume.patient for volume in volumes])
    raw = [np.nan_to_num(volume.sums.expected_dice[0]) for volume in volumes if volume.sums]
    scores = {
        "expected Dice, calibrated, mean": [-judged[volume.name].mean_expected for volume in volumes],
        "expected Dice, calibrated, lowest structure": [-min(judged[v.name].expected.values()) for v in volumes],
        "expected Dice, as the network has it, mean": [-float(one.mean()) for one in raw],
        "number of flags": [len(flags[volume.name]) for volume in volumes],
    }
    lines = [[f"score for a mean Dice below {GOOD_DICE} ({bad.sum()} of {len(bad)})", "area (95 % interval)"]]
    for name, score in scores.items():
        low, high = area_interval(bad, np.array(score), patients)
        lines.append([name, f"{roc_auc_score(bad, score):.2f} ({low:.2f} to {high:.2f})"])
    return _table(lines)


def verdict_table(
    volumes: Sequence[Volume], flags: Mapping[str, list[Flag]], judged: Mapping[str, JudgedVolume]
) -> str:
    """Mean Dice by verdict, over volumes: of certainty alone, of rules alone, of both."""
    dice = np.array([np.mean(list(volume.dice.values())) for volume in volumes])
    lowest = np.array([min(volume.dice.values()) for volume in volumes])
    by_certainty = [judged[volume.name].verdict for volume in volumes]
    by_rules = [
        max(({"note": 0, "review": 1, "fail": 2}[f.severity] for f in flags[v.name]), default=0) for v in volumes
    ]
    order = ("pass", "review", "fail")
    both = [order[max(order.index(one), other)] for one, other in zip(by_certainty, by_rules, strict=True)]
    lines = [["verdict of a volume", "volumes", "mean Dice", f"below {GOOD_DICE}", "a structure below 0.85"]]
    for title, verdicts in (("certainty", by_certainty), ("rules", [order[one] for one in by_rules]), ("both", both)):
        for verdict in order:
            own = np.array([one == verdict for one in verdicts])
            mean = f"{dice[own].mean():.3f}" if own.any() else ""
            bad = [str((dice[own] < GOOD_DICE).sum()), str((lowest[own] < 0.85).sum())]
            lines.append([f"{title}: {verdict}", str(own.sum()), mean, *bad])
    return _table(lines)


def ends_table(volumes: Sequence[Volume]) -> str:
    """How often a structure's slices are too many or too few, what a perfect choice would gain, and who knows."""
    head = ["structure", "slices too many", "missed", "Dice", "with none too many", "ends that are wrong: area"]
    return _table([head, *(_ends_row(volumes, structure) for structure in STRUCTURES)])


def _ends_row(volumes: Sequence[Volume], structure: Structure) -> list[str]:
    too_many, missed, dice, wrong, doubt = 0, 0, [], [], []
    for volume in volumes:
        ours, theirs = volume.labels == structure.value, volume.truth == structure.value
        shown, drawn = ours.any(axis=(0, 1)), theirs.any(axis=(0, 1))
        too_many, missed = too_many + int((shown & ~drawn).sum()), missed + int((drawn & ~shown).sum())
        dice.append(2.0 * (ours & theirs).sum() / max((ours & drawn).sum() + theirs.sum(), 1))
        expected = _expected_by_slice(volume, structure)
        for level in np.flatnonzero(shown)[[0, -1]] if shown.any() else ():
            wrong.append(not drawn[level])
            doubt.append(-expected[level])
    area = f"{roc_auc_score(wrong, doubt):.2f} ({sum(wrong)} of {len(wrong)})"
    own = [volume.dice[structure.name] for volume in volumes]
    return [structure.short, str(too_many), str(missed), _interval(volumes, own), _interval(volumes, dice), area]


def _expected_by_slice(volume: Volume, structure: Structure) -> np.ndarray:
    """Expected Dice of a structure in each slice, (Z,)."""
    assert volume.sums is not None
    index, sums = STRUCTURES.index(structure), volume.sums
    both = sums.decided[0, index] + sums.expected[0, index]
    return np.asarray(2.0 * sums.agreed[0, index] / np.maximum(both, 1e-9))


def _volume(case: Mapping[str, Any], labels: np.ndarray | None, sums: ProbabilitySums | None) -> Volume:
    drawn = read_label(case["label"], scheme=case["scheme"])
    truth = drawn.array[0]
    name, found = f"{case['patient']} {case['phase']}", truth if labels is None else labels
    return Volume(name, case["patient"], str(case["phase"]), drawn.grid, found, truth, sums)


def _interval(volumes: Sequence[Volume], values: Sequence[float]) -> str:
    by_patient: dict[str, list[float]] = defaultdict(list)
    for volume, value in zip(volumes, values, strict=True):
        by_patient[volume.patient].append(value)
    found = bootstrap_interval(by_patient)
    return f"{found.mean:.3f} ({found.low:.3f} to {found.high:.3f})"


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], ["---"] * len(lines[0]), *lines[1:])) + "\n"


if __name__ == "__main__":
    main()
