"""Every bundle's network in every format of `cmr bundle export`: how far its logits differ, its time and size.

    python benchmarks/export.py OUT [--only BUNDLE ...]

Bundles without weights get random ones, with random statistics in their normalisation, so that no layer is idle.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from monai.bundle import ConfigParser

from pipeline.app.bundles import copy_bundle, find_bundle
from pipeline.app.export import export_bundle
from pipeline.app.export_formats import FORMATS
from pipeline.app.render import bundle_names
from pipeline.core.errors import PipelineError
from pipeline.core.shipped import CONFIGS
from pipeline.infer.weights import replace_weights


def main() -> None:
    """Write all of them and print a row each."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path)
    options.add_argument("--only", nargs="+", default=bundle_names(CONFIGS))
    chosen = options.parse_args()
    print("| bundle | format | input | largest difference of a logit | MB | s |\n|---|---|---|---|---|---|")
    for name in chosen.only:
        root = find_bundle(name)
        root = root if (root / "models" / "model.pt").is_file() else _with_random_weights(root, chosen.out / name)
        for format_name in FORMATS:
            print(_row(root, chosen.out / f"{name}.{format_name}", format_name), flush=True)


def _with_random_weights(root: Path, copy: Path) -> Path:
    torch.manual_seed(0)
    copy_bundle(root, copy)
    parser = ConfigParser(ConfigParser.load_config_file(str(copy / "configs" / "inference.json")))
    network = parser.get_parsed_content("network_def")
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    replace_weights(network.state_dict(), copy / "models" / "model.pt", bundle_root=copy)
    return copy


def _row(root: Path, target: Path, format_name: str) -> str:
    start = time.perf_counter()
    try:
        exported = export_bundle(root, target, format_name=format_name)
    except PipelineError as error:
        return f"| {root.name} | {format_name} | | refused: {error} | | |"
    sizes = ", ".join(" x ".join(map(str, size)) for size in exported.differences)
    found = ", ".join(f"{difference:.1e}" for difference in exported.differences.values())
    megabytes, seconds = target.stat().st_size / 1e6, time.perf_counter() - start
    return f"| {root.name} | {format_name} | {sizes} | {found} | {megabytes:.1f} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
