"""What the manager is about, free of any I/O: strategies, pods, intents, matching, and who may do what."""
