"""Erases what chat stores of a user."""
