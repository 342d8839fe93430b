"""DICOM Segmentations and Structured Reports."""
