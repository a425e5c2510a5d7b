"""Conversations: create, title, change their state, delete with all their messages."""
