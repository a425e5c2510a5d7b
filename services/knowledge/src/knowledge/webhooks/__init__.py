"""Webhooks of GitHub: a push syncs the bases that it touches, at once."""
