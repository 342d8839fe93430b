"""Results to files: label maps as NIfTI, on the input's own grid."""
