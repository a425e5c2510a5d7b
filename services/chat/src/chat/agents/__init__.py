"""Which agents there are, and the names that people give them."""
