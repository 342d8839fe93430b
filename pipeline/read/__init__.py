"""Files in, images out: DICOM, NIfTI, MetaImage and NRRD to `Cine`."""
