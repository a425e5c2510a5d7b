"""The registration tokens of users' domains, which Takaro's ``/me`` gives; kept encrypted."""
