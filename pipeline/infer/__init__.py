"""Running a network over a cine: precision, windows, the heart's place, decision, clean-up, confidence."""
