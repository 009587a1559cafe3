-- The first schema. Times are Unix milliseconds (UTC), ids are 16 bytes.
--
-- Migrations only ever add (expand) or drop what no supported version reads any more (contract), so that the
-- previous version runs on the schema of the next one.

-- Single values: the environment, the version of the set of service keys, the time of the last restore.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    uid             BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL UNIQUE,
    email           TEXT UNIQUE,           -- proved here
    created_at      INTEGER NOT NULL,
    disabled_at     INTEGER,
    version         INTEGER NOT NULL       -- +1 with every change
) STRICT, WITHOUT ROWID;

-- A row stays after revocation: a public key is registered once, for ever.
CREATE TABLE api_keys (
    key_id       BLOB PRIMARY KEY,
    uid          BLOB NOT NULL REFERENCES accounts (uid),
    label        TEXT NOT NULL,
    public_key   BLOB NOT NULL UNIQUE,     -- SEC1, uncompressed
    scopes       TEXT NOT NULL,
    allowed_ips  TEXT NOT NULL,            -- separated by commas; empty: any
    created_at   INTEGER NOT NULL,
    activated_at INTEGER,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    version      INTEGER NOT NULL,         -- +1 with every change but those of the last use
    last_used_at INTEGER,
    last_used_ip TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_uid ON api_keys (uid, created_at);

-- One row per session and none per refresh. The only index is the primary key: its first bytes are the time,
-- so that inserts land at the end. A key is cut off by its own row, not by its sessions.
CREATE TABLE sessions (
    sid          BLOB PRIMARY KEY,         -- made from the challenge: a replay collides
    key_id       BLOB NOT NULL,
    secret_hash  BLOB NOT NULL,            -- SHA-256
    open_nonce   BLOB NOT NULL,            -- tells our own retry from a replay
    mac_kid      TEXT NOT NULL,            -- the MAC key of the newest refresh token
    current      INTEGER NOT NULL,         -- the newest refresh token's counter
    parent       INTEGER,                  -- the counter that was exchanged for it
    rotated_at   INTEGER NOT NULL,
    reissue_count INTEGER NOT NULL,
    challenge_at INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    end_reason   TEXT
) STRICT, WITHOUT ROWID;

-- Signing and MAC keys, sealed under the key-encryption key.
CREATE TABLE signing_keys (
    kid           TEXT PRIMARY KEY,
    purpose       TEXT NOT NULL,
    algorithm     TEXT,
    sealed        BLOB NOT NULL,
    published_at  INTEGER NOT NULL,
    signing_since INTEGER,
    retired_at    INTEGER
) STRICT, WITHOUT ROWID;
-- At most one key of a purpose signs, whatever two nodes do at once.
CREATE UNIQUE INDEX one_signing_key ON signing_keys (purpose) WHERE signing_since IS NOT NULL AND retired_at IS NULL;

CREATE TABLE revocations (
    kind    TEXT NOT NULL,                 -- session, key, account, everything
    subject BLOB NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_by_time ON revocations (at);

-- How nodes and commands tell each other what changed. AUTOINCREMENT: a number is never used twice.
CREATE TABLE changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,                 -- key, account, signing_keys, revocations
    subject BLOB NOT NULL
) STRICT;

CREATE TABLE audit (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    action     TEXT NOT NULL,
    actor      TEXT NOT NULL,
    uid        BLOB,
    key_id     BLOB,
    sid        BLOB,
    ip         TEXT,
    request_id TEXT,
    detail     TEXT
) STRICT;
-- An account's history and a key's, by time. The id of the row is the last column of each index.
CREATE INDEX audit_by_uid ON audit (uid, at);
CREATE INDEX audit_by_key ON audit (uid, key_id, at) WHERE key_id IS NOT NULL;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
