"""Work that can't continue now: jobs that are put back, and slots that are lent meanwhile."""
