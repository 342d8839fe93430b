"""How well labels agree with the truth: overlap, distances, function, tables and a page."""
