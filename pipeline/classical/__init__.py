"""Segmentation without networks: histogram thresholds and a random forest of pixels, the baselines to beat."""
