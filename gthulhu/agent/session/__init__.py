"""The agent's end of the session with a manager: intents in, outcomes and samples out."""
