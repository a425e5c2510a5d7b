"""What users think of an agent's messages."""
