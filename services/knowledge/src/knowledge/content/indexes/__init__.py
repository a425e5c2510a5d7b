"""Indexes: what the rows of a version were made with."""
