"""The facts about a conversation, followed live by any number of tabs on any process."""
