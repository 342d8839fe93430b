"""Logits to label maps on the native grid."""
