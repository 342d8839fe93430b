"""The card of a trained bundle: what it was trained on and what it was found to reach, and nothing of other weights."""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pipeline.core.case import TRAINING_RUN
from pipeline.core.digests import file_digest
from pipeline.core.files import write_json, write_text
from pipeline.networks.registry import NETWORKS
from pipeline.write.pages.page import fill_template

__all__ = ["note_evaluation", "unevaluated", "write_card"]

_UNTRAINED = "Not trained yet."
_UNMEASURED = "Not measured yet."
_UNSTATED = "Not stated"
_EVALUATED = "evaluated.json"
_SAID = (
    "description",
    "authors",
    "image_classes",
    "pred_classes",
    "label_classes",
    "data_source",
    "performance",
)
"""Entries of the metadata that the card repeats."""
_LICENCE = """\
Weights of this bundle, where there are any, are trained on: {data}
{further}They are under the terms of those data, which whoever passes them on has to know and to state here.
"""


def unevaluated(configs: Mapping[str, Mapping[str, Any]], source: str) -> dict[str, Any]:
    """Entries of the metadata of a bundle that was copied to be trained: what its source says of itself goes.

    Args:
        configs: the copy's configurations, by name, `metadata` among them.
        source: name of the bundle whose settings it has.
    """
    config: Mapping[str, Any] = configs.get("train", configs.get("inference", {}))
    network = config.get("network_def", {})
    name = network.get("name") if isinstance(network, Mapping) else None
    design = NETWORKS.get(str(name))
    n_channels = 1 + 2 * int(config.get("context") or 0)
    own: dict[str, Any] = {
        TRAINING_RUN: uuid.uuid4().hex[:12],
        "name": f"A training of {source}",
        "description": f"Segmentation of short-axis cine MRI by {_network_name(network)}, set up as {source} but for "
        "what configs/train.json says.",
        "authors": _UNSTATED,
        "copyright": _UNSTATED,
        "data_source": _UNTRAINED,
        "performance": _UNMEASURED,
        "references": [] if design is None else [design.paper],
    }
    if "normalisation" in config:
        own["image_classes"] = (
            f"{n_channels} channel{'s' if n_channels > 1 else ''}, short-axis cine MRI, `{config['normalisation']}`"
        )
    if isinstance(config.get("context"), int) and "network_data_format" in configs["metadata"]:
        own["network_data_format"] = deepcopy(configs["metadata"]["network_data_format"])
        own["network_data_format"]["inputs"]["image"]["num_channels"] = n_channels
    return own


def note_evaluation(root: Path, output: Path, data: Path) -> None:
    """Note which weights an evaluation was of: once they are replaced, it says nothing of the bundle.

    Args:
        root: the bundle's folder.
        output: where the evaluation lies.
        data: the data set.
    """
    weights = root / "models" / "model.pt"
    if weights.is_file():
        write_json(output / _EVALUATED, {"data": data.resolve().name, "weights_sha256": file_digest(weights)})


def write_card(root: Path, *, output: Path | None = None) -> None:
    """Write a bundle's `docs/README.md` and what its metadata say of data and performance, from what it has recorded.

    Args:
        root: the bundle's folder.
        output: where its training and its evaluation write; `None`: its `eval`.
    """
    output = output or root / "eval"
    metadata_file = root / "configs" / "metadata.json"
    if not metadata_file.is_file():
        return
    metadata = json.loads(metadata_file.read_text(encoding="utf-8"))
    config = json.loads((root / "configs" / "inference.json").read_text(encoding="utf-8"))
    record, kept = _read(output / "run.json"), _read(output / "kept.json")
    if record:
        metadata["data_source"] = f"the user's own data set {Path(record['data']['source']).name}"
    said = [*_validation(record, kept), *_evaluation(root, record, output)]
    metadata["performance"] = "\n\n".join(said) or _UNMEASURED
    write_json(metadata_file, metadata, indent=4)
    content = {key: metadata.get(key, _UNSTATED) for key in _SAID} | {
        "name": root.resolve().name,
        "network": _network_name(config.get("network_def", {})),
        "data": _data_lines(record),
        "references": metadata.get("references", []),
    }
    write_text(root / "docs" / "README.md", fill_template("card.md", content))
    start = _start_of(root)
    further = f"The training started from the weights in {start}, whose terms hold as well.\n" if start else ""
    licence = _LICENCE.format(data=metadata["data_source"], further=further)
    write_text(root / "docs" / "data_license.txt", licence)


def _start_of(root: Path) -> str | None:
    """Name of the file whose weights a bundle's training starts from."""
    train = _read(root / "configs" / "train.json") or {}
    start = train.get("pretrained")
    return Path(start).name if isinstance(start, str) else None


def _network_name(network: Any) -> str:
    if not isinstance(network, Mapping):
        return "a network of its own"
    name = str(network.get("name") or str(network.get("_target_", "")).rpartition(".")[2])
    return f"`{name}`"


def _data_lines(record: Mapping[str, Any] | None) -> list[str]:
    if record is None:
        return []
    n_train, n_validation = (len(record["split"][part]) for part in ("train", "validation"))
    lines = [f"{_patients(n_train)} trained on, {n_validation} kept aside to validate on; `eval/run.json` names them."]
    n_starts = len(record.get("starts", ()))
    if n_starts > 1:
        epochs = ", ".join(str(start["after_epoch"]) for start in record["starts"][1:])
        lines.append(f"Gone on with after epoch {epochs}; `eval/run.json` has the settings of each start.")
    return lines


def _validation(record: Mapping[str, Any] | None, kept: Mapping[str, Any] | None) -> list[str]:
    """What the weights kept reached on the validation patients."""
    if not record or not kept:
        return []
    figures = ", ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in kept["metrics"].items())
    is_last = kept["keep"] == "last"
    chosen = "the last" if is_last else "the best on the validation patients"
    caution = "" if is_last else " As they were chosen on these patients, expect less on others."
    return [
        f"Validation of the weights kept ({chosen}, epoch {kept['epoch']}), on the prepared slices of "
        f"{_patients(len(record['split']['validation']))} kept aside, means over volumes: {figures}.{caution}"
    ]


def _evaluation(root: Path, record: Mapping[str, Any] | None, output: Path) -> list[str]:
    """The last evaluation, if it was of these very weights."""
    noted, summary, weights = _read(output / _EVALUATED), _read(output / "summary.json"), root / "models" / "model.pt"
    if not noted or not summary or not weights.is_file() or noted["weights_sha256"] != file_digest(weights):
        return []
    with (output / "volumes.csv").open(encoding="utf-8", newline="") as stream:
        patients = {row["patient"] for row in csv.DictReader(stream)}
    split = record["split"] if record else {"train": [], "validation": []}
    n_seen, n_aside = (len(patients & set(split[part])) for part in ("train", "validation"))
    caution = " Those trained on say nothing of new patients." if n_seen else ""
    words = (
        f"`cmr evaluate` on {noted['data']}, {_patients(len(patients))}, on each file's own grid; by their names "
        f"{n_aside} of them were validated on and {n_seen} trained on.{caution} Mean Dice per volume, with 95 % "
        "intervals by bootstrap over patients:"
    )
    return [words, _table(summary["overlap"])]


def _patients(n: int) -> str:
    return f"{n} patient{'' if n == 1 else 's'}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| structure | phase | volumes | Dice | HD95, mm |", "|---|---|---|---|---|"]
    for row in rows:
        low, high = row["interval"]
        dice = f"{_figure(row['dice'])} ({_figure(low)} to {_figure(high)})"
        name = str(row["structure"]).replace("_", " ")
        lines.append(f"| {name} | {row['phase']} | {row['n']} | {dice} | {_figure(row['hd95_mm'], digits=1)} |")
    return "\n".join(lines)


def _figure(value: float | None, *, digits: int = 3) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON file's content; `None` where there is none."""
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
