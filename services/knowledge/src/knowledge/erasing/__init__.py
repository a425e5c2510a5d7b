"""Erases what knowledge stores of a user."""
