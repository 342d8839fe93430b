"""DICOM files to a cine: headers, frames, which series, which lattice, pixels."""
