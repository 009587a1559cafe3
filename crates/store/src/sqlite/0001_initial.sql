-- The first schema. Times are Unix milliseconds (UTC), ids are 16 bytes, flags are 1 and 0. The tables are those
-- of PostgreSQL's schema of the same number, so one text of SQL serves both databases. README-migrations.md has
-- the rules for the next ones.

-- The migrations that were run. The last one has the number PRAGMA user_version.
CREATE TABLE schema_migrations (
    version        INTEGER PRIMARY KEY,
    name           TEXT NOT NULL,
    min_compatible INTEGER NOT NULL, -- the number of migrations that a binary must know to use the schema
    run_at         TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

-- Single values: the environment, the version of the set of signing keys, the time of the last restore.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    uid             BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL UNIQUE,
    email           TEXT UNIQUE,      -- proved at this service
    created_at      INTEGER NOT NULL,
    disabled_at     INTEGER,
    version         INTEGER NOT NULL, -- +1 at every change
    user_handle     BLOB,             -- WebAuthn: 64 random bytes, created with the first passkey
    display_name    TEXT,             -- shown if the account has no address
    contact_email   TEXT,             -- not proved: receives notices, never identifies the account
    deleted_at      INTEGER           -- the row stays, so that its uid is not used again
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX accounts_by_user_handle ON accounts (user_handle) WHERE user_handle IS NOT NULL;

-- A row stays after revocation: a public key can be registered once only.
CREATE TABLE api_keys (
    key_id        BLOB PRIMARY KEY,
    uid           BLOB NOT NULL REFERENCES accounts (uid),
    label         TEXT NOT NULL,
    public_key    BLOB NOT NULL UNIQUE, -- SEC1, uncompressed
    scopes        TEXT NOT NULL,
    allowed_ips   TEXT NOT NULL,        -- separated by commas; empty means any
    created_at    INTEGER NOT NULL,
    activated_at  INTEGER,
    expires_at    INTEGER,
    revoked_at    INTEGER,
    version       INTEGER NOT NULL,     -- +1 at every change except of the last use
    last_used_at  INTEGER,
    last_used_ip  TEXT,
    reminded_days INTEGER,              -- the last reminder that was due: 30, 7 or 1 days before expiry
    disabled_at   INTEGER               -- when the owner disabled it
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_uid ON api_keys (uid, created_at);
-- An account's keys that are not revoked, by expiry: counting and listing the live ones reads no dead one. A key
-- without expiry expires at the end of time.
CREATE INDEX api_keys_live ON api_keys (uid, coalesce(expires_at, 9223372036854775807)) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_pending ON api_keys (created_at) WHERE activated_at IS NULL AND revoked_at IS NULL;
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;

-- One row per session of an API key; a refresh updates it. The only index is the primary key, which starts with
-- the time, so inserts land at the end. A revoked key refuses its sessions by its own row.
CREATE TABLE sessions (
    sid            BLOB PRIMARY KEY, -- derived from the challenge: a replay collides
    key_id         BLOB NOT NULL,
    secret_hash    BLOB NOT NULL,    -- SHA-256
    open_nonce     BLOB NOT NULL,    -- tells a retry of the same mint from a replay
    mac_kid        TEXT NOT NULL,    -- the MAC key of the newest refresh token
    current        INTEGER NOT NULL, -- the counter of the newest refresh token
    parent         INTEGER,          -- the counter that was exchanged for it
    rotated_at     INTEGER NOT NULL,
    reissue_count  INTEGER NOT NULL, -- how often the newest token was issued again
    burst_oldest   INTEGER NOT NULL, -- the oldest counter of the burst; `current` if the burst is empty
    burst_began_at INTEGER NOT NULL, -- when that token was exchanged
    challenge_at   INTEGER NOT NULL,
    opened_at      INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    ended_at       INTEGER,
    end_reason     TEXT
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
-- At most one key of a purpose signs, even if two nodes change the set at the same time.
CREATE UNIQUE INDEX one_signing_key ON signing_keys (purpose) WHERE signing_since IS NOT NULL AND retired_at IS NULL;

CREATE TABLE revocations (
    kind    TEXT NOT NULL, -- session, key, key_expiry (from then on), account, everything
    subject BLOB NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_by_time ON revocations (at);

-- Changes that nodes and commands announce to each other. AUTOINCREMENT: a number is not used twice.
CREATE TABLE changes (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL, -- key, account, signing_keys, revocations
    subject BLOB NOT NULL
) STRICT;
CREATE INDEX changes_by_time ON changes (at);

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
-- For the log. Operators are few, so reading their entries does not depend on how many others there are.
CREATE INDEX audit_by_operator ON audit (at) WHERE actor = 'operator';
-- For the retention.
CREATE INDEX audit_by_time ON audit (at);
-- Against mistakes. The service deletes old rows, so a user who can write the file can delete any.
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

-- Why a key was refused, for its owner: for each code the last few addresses.
CREATE TABLE key_refusals (
    key_id  BLOB NOT NULL REFERENCES api_keys (key_id) ON DELETE CASCADE,
    code    TEXT NOT NULL,
    ip      TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, code, ip)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_refusals_by_time ON key_refusals (last_at);

-- Addresses in cooldown: an account gave them up, and no other account can have them until then.
CREATE TABLE released_addresses (
    email TEXT PRIMARY KEY,
    uid   BLOB NOT NULL, -- may take it back
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX released_addresses_by_time ON released_addresses (until);

CREATE TABLE passkeys (
    credential_id   BLOB PRIMARY KEY,
    uid             BLOB NOT NULL REFERENCES accounts (uid),
    name            TEXT NOT NULL,
    credential      TEXT NOT NULL,    -- JSON: the public key as a JWK, transports
    counter         INTEGER NOT NULL, -- the highest value seen
    backup_eligible INTEGER NOT NULL,
    backed_up       INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER,
    suspect_at      INTEGER           -- the counter did not grow: possibly copied
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_by_uid ON passkeys (uid, created_at);

CREATE TABLE apple_identities (
    iss           TEXT NOT NULL,
    sub           TEXT NOT NULL,
    uid           BLOB NOT NULL REFERENCES accounts (uid),
    email         TEXT,    -- from Apple; never identifies the account
    private_relay INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    withdrawn_at  INTEGER, -- consent was withdrawn from the only login method: no login until it is given again
    PRIMARY KEY (iss, sub)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX apple_identities_by_uid ON apple_identities (uid);

-- Sessions of users: browsers (a cookie) and command lines (refresh tokens).
CREATE TABLE user_sessions (
    sid            BLOB PRIMARY KEY,
    uid            BLOB NOT NULL REFERENCES accounts (uid),
    kind           TEXT NOT NULL,    -- browser, native, management
    secret_hash    BLOB NOT NULL,    -- SHA-256
    method         TEXT NOT NULL,    -- how the user was authenticated
    proved_at      INTEGER NOT NULL,
    mac_kid        TEXT,             -- native: as in sessions
    current        INTEGER NOT NULL,
    parent         INTEGER,
    rotated_at     INTEGER NOT NULL,
    reissue_count  INTEGER NOT NULL,
    burst_oldest   INTEGER NOT NULL,
    burst_began_at INTEGER NOT NULL,
    opened_at      INTEGER NOT NULL,
    last_used_at   INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    ip             TEXT NOT NULL,
    device         TEXT NOT NULL,    -- coarse: browser and system
    ended_at       INTEGER,
    end_reason     TEXT
) STRICT, WITHOUT ROWID;
-- Ended sessions are not in it, so the list of an account's sessions does not read them.
CREATE INDEX user_sessions_by_uid ON user_sessions (uid, opened_at) WHERE ended_at IS NULL;
CREATE INDEX user_sessions_by_end ON user_sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX user_sessions_by_expiry ON user_sessions (expires_at);

-- Networks from which an account logged in: they can ask for codes even while its address is flooded.
CREATE TABLE sign_in_networks (
    uid     BLOB NOT NULL REFERENCES accounts (uid),
    network TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (uid, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_networks_by_time ON sign_in_networks (last_at);

-- Mailed codes, and the links in the same mails. Codes are short, so only keyed hashes of them are stored.
CREATE TABLE email_codes (
    flow_id      BLOB PRIMARY KEY,
    email        TEXT NOT NULL,
    network      TEXT NOT NULL,    -- the network that asked
    purpose      TEXT NOT NULL,    -- sign_in, set_email
    uid          BLOB,             -- set_email: the account
    is_long      INTEGER NOT NULL, -- 16 digits instead of 8
    code_mac     BLOB NOT NULL,    -- HMAC-SHA256 under a key that is not in the database
    link_hash    BLOB,             -- SHA-256
    browser_hash BLOB,             -- SHA-256 of the flow cookie; NULL if a command line asked
    asked_at     INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX email_codes_by_email ON email_codes (email, asked_at);
CREATE INDEX email_codes_by_browser ON email_codes (browser_hash) WHERE browser_hash IS NOT NULL;
CREATE INDEX email_codes_by_expiry ON email_codes (expires_at);
CREATE INDEX email_codes_by_uid ON email_codes (uid) WHERE uid IS NOT NULL;
CREATE UNIQUE INDEX email_codes_by_link ON email_codes (link_hash) WHERE link_hash IS NOT NULL;

-- What the limits count: failed codes and sent mails of the last 24 hours.
CREATE TABLE email_code_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT NOT NULL,   -- failed, sent
    email       TEXT NOT NULL,
    network     TEXT NOT NULL,
    site        TEXT,            -- sent: the IPv4 address or IPv6 /48 of the client
    at          INTEGER NOT NULL,
    short_codes INTEGER NOT NULL -- failed: the number of 8-digit codes that it was compared with
) STRICT;
CREATE INDEX email_code_events_by_email ON email_code_events (email, kind, at);
CREATE INDEX email_code_events_by_time ON email_code_events (at);

-- WebAuthn ceremonies and logins with Apple in progress: single use, a few minutes.
CREATE TABLE ceremonies (
    id_hash    BLOB PRIMARY KEY, -- SHA-256 of what the browser presents
    kind       TEXT NOT NULL,
    uid        BLOB,
    state      TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ceremonies_by_expiry ON ceremonies (expires_at);
CREATE INDEX ceremonies_by_uid ON ceremonies (uid) WHERE uid IS NOT NULL;

-- Recoveries: a user who lost the passkey waits 24 hours, announced by mail.
CREATE TABLE recoveries (
    uid        BLOB PRIMARY KEY REFERENCES accounts (uid),
    started_at INTEGER NOT NULL,
    ready_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Mail that waits to be sent, written by the change that causes it.
CREATE TABLE outbox (
    id         BLOB PRIMARY KEY,
    kind       TEXT NOT NULL,    -- code, notice, reminder
    uid        BLOB,             -- notice: the account, if its notices may be put together
    recipient  TEXT NOT NULL,
    payload    BLOB NOT NULL,    -- JSON; of a code sealed under the key-encryption key
    request_id TEXT,
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL, -- the next attempt; while a node sends it, the end of the node's lease
    expires_at INTEGER NOT NULL,
    attempts   INTEGER NOT NULL, -- failed ones
    more       INTEGER NOT NULL, -- further changes that had no room
    held       INTEGER NOT NULL, -- waits to be put together with the account's other notices
    leased_by  BLOB              -- the node that sends it
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_by_due ON outbox (kind, due_at);
CREATE INDEX outbox_by_age ON outbox (kind, created_at);
CREATE INDEX outbox_by_uid ON outbox (uid, created_at) WHERE uid IS NOT NULL;
CREATE INDEX outbox_by_expiry ON outbox (expires_at);
