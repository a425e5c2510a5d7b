"""Indexes: which model and rules made the rows of a version."""
