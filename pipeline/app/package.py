"""Package a trained bundle: a zip that runs wherever the packages its metadata lists are installed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pipeline
from pipeline.core.errors import BundleError

__all__ = ["package_bundle"]

_LEFT_OUT = {"eval", "__pycache__", "configs.partial", "configs.before", "shipped"}


def package_bundle(bundle: Path, out: Path) -> Path:
    """Zip a bundle together with this library's source.

    MONAI puts a bundle's root on the import path when it runs the bundle, so the library is placed next to `configs/`.
    If another version is installed, the bundle's version check refuses to run rather than mixing the two.

    Args:
        bundle: the bundle's folder, with `models/model.pt`.
        out: folder for `<bundle name>_v<version>.zip`, created if missing.

    Returns:
        Path of the zip. The same input gives the same bytes.

    Raises:
        BundleError: the bundle has no weights.
    """
    if not (bundle / "models" / "model.pt").is_file():
        raise BundleError(f"a package needs weights, but {bundle / 'models' / 'model.pt'} is missing: train it first")
    name = bundle.resolve().name
    library = Path(pipeline.__file__).parent
    files = {f"{name}/{path.relative_to(bundle)}": path for path in _files(bundle)}
    files |= {f"{name}/pipeline/{path.relative_to(library)}": path for path in _files(library)}
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{name}_v{pipeline.__version__}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, path in sorted(files.items()):
            entry = zipfile.ZipInfo(inside)  # the epoch as its date: equal input, equal bytes
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return target


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not _LEFT_OUT & set(path.relative_to(folder).parts)
        and path.suffix not in (".pyc", ".partial")
    ]
