"""The parts of a detector with a mask branch."""
