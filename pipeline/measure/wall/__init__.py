"""Thickness of the wall by the segments of the American Heart Association."""
