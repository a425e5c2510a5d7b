"""The history of syncs."""
