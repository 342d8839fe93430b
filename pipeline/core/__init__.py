"""The shared vocabulary: labels, errors, geometry and images. Imports nothing else of ours."""
