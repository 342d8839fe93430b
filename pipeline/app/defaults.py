"""What is taken where the user names nothing; light to import, so that the command line starts at once."""

__all__ = ["DEFAULT_BUNDLE"]

DEFAULT_BUNDLE = "ventricles_mr_segmentation_unet"
