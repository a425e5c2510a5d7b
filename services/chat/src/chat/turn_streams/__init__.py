"""Turns followed live: what their runtimes show, piece by piece, and how they end."""
