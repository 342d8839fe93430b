"""Files in, images out: DICOM and NIfTI to `Cine`."""
