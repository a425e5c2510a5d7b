"""Work that can't go on now: jobs that are put back, and slots that are lent meanwhile."""
