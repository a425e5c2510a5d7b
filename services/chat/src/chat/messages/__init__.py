"""The messages of a conversation: appended, and read back in one order."""
