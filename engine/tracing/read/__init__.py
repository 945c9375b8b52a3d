"""Reading a trace: what its rows mean, as numbers."""
