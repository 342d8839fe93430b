"""Cardiac cine MRI in; ventricle segmentations, volumes and ejection fraction out. Not for diagnosis."""

__version__ = "0.1.0"
