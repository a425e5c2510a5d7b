"""GitHub's webhooks: a push syncs the bases that it touches, at once."""
