"""Synthetic beating hearts whose masks, volumes and ejection fraction are known. Not patients."""
