"""Defaults of the command line, light to import so that it starts at once."""

__all__ = ["DEFAULT_BUNDLE"]

DEFAULT_BUNDLE = "ventricles_mr_segmentation_unet"
