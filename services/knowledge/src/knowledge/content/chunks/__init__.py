"""Chunks: the rows that searches read."""
