"""What it changes to count papillary muscles and trabeculae as muscle, on experts' labels of ACDC.

    python benchmarks/blood.py ACDC

Prints by group of patients the change of EDV and ESV in percent of the cavity, of EF in points and of mass in percent,
as means with 95 % intervals by bootstrap over patients, and the standard deviation of the change of EF.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import stdev

import numpy as np

from pipeline.core.images import Cine
from pipeline.evaluate.agreement import bootstrap_interval
from pipeline.measure.measurements import PhaseChoice
from pipeline.measure.study import measure_study
from pipeline.read.cine import read_cine, read_label
from pipeline.read.datasets import load_datalist

QUANTITIES = ("EDV, %", "ESV, %", "EF, points", "mass, %")


def main() -> None:
    """Measure all patients and print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("acdc", type=Path)
    by_patient: dict[str, dict[str, dict[str, str]]] = {}
    for item in load_datalist(options.parse_args().acdc):
        by_patient.setdefault(item["patient"], {})[item["phase"]] = item
    changes = {patient: _changes(items) for patient, items in by_patient.items()}
    groups = {patient: next(iter(items.values())).get("group", "") for patient, items in by_patient.items()}
    for group in ("all", *sorted(set(groups.values()))):
        rows = {name: row for name, row in changes.items() if group in ("all", groups[name]) and row is not None}
        columns = [{patient: row[n] for patient, row in rows.items()} for n in range(len(QUANTITIES))]
        told = ", ".join(f"{name} {_told(column)}" for name, column in zip(QUANTITIES, columns, strict=True))
        print(f"{group}, {len(rows)} patients: {told}; SD of EF {stdev(columns[2].values()):.1f}")
    print(f"not told: {sum(row is None for row in changes.values())} of {len(changes)}")


def _changes(items: dict[str, dict[str, str]]) -> tuple[float, float, float, float] | None:
    """Blood alone against cavity: EDV, ESV (%), EF (points), mass (%)."""
    images = [read_cine(items[phase]["image"]) for phase in ("ED", "ES")]
    labels = np.concatenate([read_label(items[phase]["label"], scheme="acdc").array for phase in ("ED", "ES")])
    cine = Cine(np.concatenate([image.array for image in images]), images[0].grid)
    measured = measure_study(cine, labels, choice=PhaseChoice(ed=0, es=1))
    blood, left, mass = measured.blood, measured.left, measured.myocardial_mass_g
    if blood is None or left is None or mass is None or blood.ef_percent is None or left.ef_percent is None:
        return None
    return (
        100 * (blood.edv_ml / left.edv_ml - 1),
        100 * (blood.esv_ml / left.esv_ml - 1),
        blood.ef_percent - left.ef_percent,
        100 * (blood.myocardial_mass_g / mass - 1),
    )


def _told(values_by_patient: Mapping[str, float]) -> str:
    found = bootstrap_interval({patient: [value] for patient, value in values_by_patient.items()})
    return f"{found.mean:+.1f} ({found.low:+.1f} to {found.high:+.1f})"


if __name__ == "__main__":
    main()
