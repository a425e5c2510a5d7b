"""A Git remote over HTTP, through the program ``git``."""
