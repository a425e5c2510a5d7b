"""The state of each conversation: changed by a merge patch, or replaced as a whole."""
