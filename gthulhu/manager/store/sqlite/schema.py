"""The tables, as steps from one version of the file to the next; a step that was released is never changed.

Things are kept as JSON documents, with beside them the columns that are searched or must be unique.
"""

MIGRATIONS = (
    """
    CREATE TABLE state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    INSERT INTO state VALUES ('revision', 0), ('paused', 0);

    CREATE TABLE things (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        key TEXT NOT NULL,
        email TEXT,
        owner TEXT,
        etag TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE UNIQUE INDEX things_by_key ON things (kind, key);
    CREATE UNIQUE INDEX users_by_email ON things (email) WHERE email IS NOT NULL;
    CREATE INDEX strategies_by_owner ON things (owner) WHERE owner IS NOT NULL;

    CREATE TABLE changes (
        revision INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        document TEXT
    ) STRICT;

    CREATE TABLE refresh_tokens (
        digest TEXT PRIMARY KEY,
        family TEXT NOT NULL,
        user_id TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        used INTEGER NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family);
    CREATE INDEX refresh_tokens_by_user ON refresh_tokens (user_id);

    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        target TEXT NOT NULL,
        document TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_target ON audit (target);
    CREATE TRIGGER audit_keeps_entries BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'audit entries are never removed'); END;
    CREATE TRIGGER audit_keeps_content BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;

    CREATE TABLE sessions (node TEXT PRIMARY KEY, epoch INTEGER NOT NULL, document TEXT NOT NULL) STRICT;

    CREATE TABLE reports (intent_id TEXT PRIMARY KEY, node TEXT NOT NULL, document TEXT NOT NULL) STRICT;
    CREATE INDEX reports_by_node ON reports (node);
    """,
    """
    CREATE TABLE claims (key TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) STRICT;
    """,
    """
    CREATE TABLE samples (
        node TEXT PRIMARY KEY,
        received_at INTEGER NOT NULL,
        document TEXT NOT NULL,
        pods TEXT NOT NULL
    ) STRICT;
    """,
)
