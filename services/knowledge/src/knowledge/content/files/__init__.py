"""Files: what is known of each, and the rows that it became."""
