"""Turns: what a runtime works on in a conversation, one at a time, and who may write meanwhile."""
