"""Files: what is known of each, and the rows made from it."""
