"""Cine to network input: bias field, intensity, view."""
