"""Weights of other layouts, loaded key by key."""
