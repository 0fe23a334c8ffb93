"""What the agent measures, and how it exposes it."""
