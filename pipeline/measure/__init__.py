"""Label maps to numbers: overlap, volumes, phases, function."""
