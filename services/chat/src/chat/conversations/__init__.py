"""Conversations: created, titled, their state changed, deleted with all their messages."""
