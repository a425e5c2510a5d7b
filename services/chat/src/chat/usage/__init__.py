"""What users have used: messages and tokens by agent, model and day."""
