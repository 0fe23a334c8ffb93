"""Where users, roles, strategies, agents' reports and the audit log are kept: SQLite, or MongoDB."""
