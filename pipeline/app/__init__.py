"""The application: rendering and packaging of bundles, segmentation of studies, the command line."""
