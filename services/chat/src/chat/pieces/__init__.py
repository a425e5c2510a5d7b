"""What runtimes show in their turns, piece by piece, while they work."""
