"""A DICOM node: receives studies, segments them and sends segmentations and reports back."""
