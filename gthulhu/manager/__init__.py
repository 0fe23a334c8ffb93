"""The manager: turns strategies into intents and streams them to agents."""
