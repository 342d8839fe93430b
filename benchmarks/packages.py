"""Each shipped bundle as a user of MONAI's model zoo gets it: packaged, and nothing installed but what it asks for.

    python benchmarks/packages.py STUDY [--only NAME ...]

Unzips each package into an empty folder, segments STUDY by MONAI's own command, and runs the checks of the zoo's own
verifier (`verify_net_in_out`, `ckpt_export` without tracing) in an environment without this library. A line each.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

from pipeline.app.bundles import find_bundle
from pipeline.app.package import package_bundle
from pipeline.app.render import bundle_names
from pipeline.read.cine import read_label
from tests.bundles.conftest import link_packages, required_packages, run_bare

CONFIGS = Path(__file__).parents[1] / "configs"
VERIFY = """
import sys; sys.path.insert(0, ".")
from monai.bundle import ckpt_export, verify_net_in_out
files = {"meta_file": "configs/metadata.json", "config_file": "configs/inference.json", "bundle_root": "."}
verify_net_in_out("network_def", **files)
ckpt_export("network_def", filepath="models/verify.ts", ckpt_file="models/model.pt", **files)
"""


def main() -> None:
    """Run as a command."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("study", type=Path)
    options.add_argument("--only", nargs="+", default=bundle_names(CONFIGS))
    chosen = options.parse_args()
    for name in chosen.only:
        with tempfile.TemporaryDirectory(prefix="package-") as folder:
            print(f"{name}: {_try(name, chosen.study.resolve(), Path(folder))}", flush=True)


def _try(name: str, study: Path, place: Path) -> str:
    """Package, segment and verify; what came of it."""
    archive = package_bundle(find_bundle(name), place / "dist")
    megabytes = archive.stat().st_size / 1e6
    with zipfile.ZipFile(archive) as content:
        content.extractall(place / "empty")
    root = place / "empty" / name
    bare = {"PYTHONPATH": str(link_packages(required_packages(root), place / "site"))}
    run_bare(root, "import pipeline", bare, expect_failure=True)
    words = ("monai.bundle", "run", "inference", "--config_file", "configs/inference.json", "--bundle_root", ".")
    words += ("--dataset_dir", str(study))
    run_bare(
        root, f"import sys, runpy; sys.argv = {words!r}; runpy.run_module('monai.bundle', run_name='__main__')", bare
    )
    run_bare(root, VERIFY, bare)
    (written,) = (root / "eval").rglob("segmentation.nii.gz")
    drawn = {int(value): int((read_label(written, scheme="cmr").array == value).sum()) for value in (1, 2, 3)}
    return f"{megabytes:.1f} MB, verified; voxels of 1, 2, 3 in the study: {', '.join(map(str, drawn.values()))}"


if __name__ == "__main__":
    main()
