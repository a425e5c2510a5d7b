"""Erases what cockpit stores of a user."""
