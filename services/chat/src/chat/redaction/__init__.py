"""Takes the content of one message away and leaves its place."""
