"""What the agent is about, free of any I/O: intents, processes, decisions, and how one follows from the others."""
