"""Sync: bring a base's rows in line with its source, atomically for whoever reads them."""
