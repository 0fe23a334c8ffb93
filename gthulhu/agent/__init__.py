"""The agent on a node: finds pods' processes, makes the kernel schedule them as intents say, and measures."""
