"""Defaults of the command line, light to import so that it starts at once."""

__all__ = ["DEFAULT_BUNDLE", "TRUST_VARIABLE"]

DEFAULT_BUNDLE = "ventricles_mr_segmentation_unet"
TRUST_VARIABLE = "CMR_TRUST"
"""Environment variable that `cmr --trust` sets to 1, for the processes it starts, too: bundles may run any code."""
