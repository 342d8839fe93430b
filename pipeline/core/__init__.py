"""Shared types: labels, errors, geometry, images and measurements. Imports no other package of the library."""
