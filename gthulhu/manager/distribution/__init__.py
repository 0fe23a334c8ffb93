"""How what is wanted reaches the agents: the live view, and the sessions that stream it."""
