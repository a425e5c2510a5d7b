"""The documents of a base, as people and agents read them."""
