"""Versions of a base's content."""
