"""Sync: brings a base's rows in line with its source, atomically for readers."""
