"""Runtimes take the turns of conversations, renew them, work in them and end them."""
