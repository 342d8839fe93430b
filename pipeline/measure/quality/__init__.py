"""Whether a segmentation can be used: rules on its shape, its stack and its numbers."""
