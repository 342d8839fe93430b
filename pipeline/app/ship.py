"""Copy a trained run's weights into a bundle of this checkout, to be committed with it."""

from __future__ import annotations

from pathlib import Path

from pipeline.app.render import bundle_names, render_bundle
from pipeline.core.errors import ConfigError
from pipeline.infer.weights import read_weights, replace_weights
from pipeline.measure.certainty.judging import CALIBRATION

__all__ = ["ship_weights"]


def ship_weights(run: Path, name: str, *, configs: Path, bundles: Path) -> Path:
    """Store a run's best weights in half precision and state their digest in the bundle's metadata.

    Half precision halves the file. The weights become single precision again when they are loaded. A calibration of the
    weights before goes with them.

    Args:
        run: folder of a trained bundle, with `models/model.pt`.
        name: the bundle to give them to, one of the recipes.
        configs: folder of the layers.
        bundles: folder of the rendered bundles.

    Returns:
        Path of the weights.

    Raises:
        BundleError: the run has no weights.
        ConfigError: no such bundle.
    """
    source, target = run / "models" / "model.pt", bundles / name / "models" / "model.pt"
    if name not in bundle_names(configs):
        raise ConfigError(f"bundle must be one of {bundle_names(configs)}, got {name!r}")
    states = read_weights(source, bundle_root=run)
    halved = {key: value.half() if value.is_floating_point() else value for key, value in states.items()}
    replace_weights(halved, target, bundle_root=bundles / name)
    target.with_name(CALIBRATION).unlink(missing_ok=True)
    render_bundle(configs, name, bundles / name)
    return target
