"""Envoy in front of managers and agents: its configuration, and what REST looks like through it."""
