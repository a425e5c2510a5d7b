"""Chunks: the rows that searches go through."""
