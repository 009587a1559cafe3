-- People: how they prove who they are, their sessions, and what is under way.

-- The WebAuthn user handle: 64 random bytes, made with the first passkey.
ALTER TABLE accounts ADD COLUMN user_handle BLOB;
-- How the account is called where it has no address.
ALTER TABLE accounts ADD COLUMN display_name TEXT;
-- Not proved here: notices go there, and it selects nothing.
ALTER TABLE accounts ADD COLUMN contact_email TEXT;
-- A deleted account is a disabled one whose ways in are gone; the row stays, so that its uid is never used again.
ALTER TABLE accounts ADD COLUMN deleted_at INTEGER;
CREATE UNIQUE INDEX accounts_by_user_handle ON accounts (user_handle) WHERE user_handle IS NOT NULL;

-- The last reminder of the key's end that was sent, or lay behind when that end was chosen: 30, 7 or 1 days before.
ALTER TABLE api_keys ADD COLUMN reminded_days INTEGER;
CREATE INDEX api_keys_by_end ON api_keys (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;
-- Since when its owner has it disabled.
ALTER TABLE api_keys ADD COLUMN disabled_at INTEGER;

-- Why a key was refused, for its owner: per reason the few addresses that met it last.
CREATE TABLE key_refusals (
    key_id  BLOB NOT NULL REFERENCES api_keys (key_id) ON DELETE CASCADE,
    code    TEXT NOT NULL,
    ip      TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, code, ip)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_refusals_by_time ON key_refusals (last_at);

-- An address that an account gave up rests until then.
CREATE TABLE released_addresses (
    email TEXT PRIMARY KEY,
    uid   BLOB NOT NULL,                   -- may have it back
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE passkeys (
    credential_id   BLOB PRIMARY KEY,
    uid             BLOB NOT NULL REFERENCES accounts (uid),
    name            TEXT NOT NULL,
    credential      TEXT NOT NULL,         -- JSON: the public key as a JWK, transports
    counter         INTEGER NOT NULL,      -- the highest one seen
    backup_eligible INTEGER NOT NULL,
    backed_up       INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER,
    suspect_at      INTEGER                -- the counter went back: maybe copied
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_by_uid ON passkeys (uid, created_at);

CREATE TABLE apple_identities (
    iss           TEXT NOT NULL,
    sub           TEXT NOT NULL,
    uid           BLOB NOT NULL REFERENCES accounts (uid),
    email         TEXT,                    -- as Apple says; selects nothing
    private_relay INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    withdrawn_at  INTEGER,                 -- consent withdrawn where it was the one way in: opens nothing until given again
    PRIMARY KEY (iss, sub)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX apple_identities_by_uid ON apple_identities (uid);

-- Sessions of people: browsers (a cookie) and command lines (refresh tokens).
CREATE TABLE user_sessions (
    sid          BLOB PRIMARY KEY,
    uid          BLOB NOT NULL REFERENCES accounts (uid),
    kind         TEXT NOT NULL,            -- browser, native
    secret_hash  BLOB NOT NULL,            -- SHA-256
    method       TEXT NOT NULL,            -- how the person was proved
    proved_at    INTEGER NOT NULL,
    mac_kid      TEXT,                     -- native: as in sessions
    current      INTEGER NOT NULL,
    parent       INTEGER,
    rotated_at   INTEGER NOT NULL,
    reissue_count INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ip           TEXT NOT NULL,
    device       TEXT NOT NULL,            -- coarse: browser and system
    ended_at     INTEGER,
    end_reason   TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX user_sessions_by_uid ON user_sessions (uid, opened_at);

-- Networks from which an account signed in: they get mail when its address is being flooded.
CREATE TABLE sign_in_networks (
    uid     BLOB NOT NULL REFERENCES accounts (uid),
    network TEXT NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (uid, network)
) STRICT, WITHOUT ROWID;

-- A mailed code, and the link in the same mail. Only keyed hashes of codes, since those are short.
CREATE TABLE email_codes (
    flow_id      BLOB PRIMARY KEY,
    email        TEXT NOT NULL,
    network      TEXT NOT NULL,            -- who asked
    purpose      TEXT NOT NULL,            -- sign_in, set_email
    uid          BLOB,                     -- set_email: for which account
    is_long      INTEGER NOT NULL,         -- 16 digits instead of 8
    code_mac     BLOB NOT NULL,            -- HMAC-SHA256 under a key that is not in the database
    link_hash    BLOB,                     -- SHA-256
    browser_hash BLOB,                     -- SHA-256 of the flow cookie; NULL: a command line asked
    asked_at     INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX email_codes_by_email ON email_codes (email, asked_at);
CREATE INDEX email_codes_by_browser ON email_codes (browser_hash) WHERE browser_hash IS NOT NULL;
CREATE INDEX email_codes_by_end ON email_codes (expires_at);
CREATE UNIQUE INDEX email_codes_by_link ON email_codes (link_hash) WHERE link_hash IS NOT NULL;

-- What limits are counted from: failed codes and sent mails of the last 24 hours.
CREATE TABLE email_code_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT NOT NULL,             -- failed, sent
    email       TEXT NOT NULL,
    network     TEXT NOT NULL,
    at          INTEGER NOT NULL,
    short_codes INTEGER NOT NULL           -- failed: with how many codes of 8 digits it was compared
) STRICT;
CREATE INDEX email_code_events_by_email ON email_code_events (email, kind, at);

-- WebAuthn ceremonies and Apple sign-ins under way: single use, a few minutes.
CREATE TABLE ceremonies (
    id_hash    BLOB PRIMARY KEY,           -- SHA-256 of what the browser comes back with
    kind       TEXT NOT NULL,
    uid        BLOB,
    state      TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX ceremonies_by_end ON ceremonies (expires_at);

-- Who lost the passkey waits 24 hours, announced by mail.
CREATE TABLE recoveries (
    uid        BLOB PRIMARY KEY REFERENCES accounts (uid),
    started_at INTEGER NOT NULL,
    ready_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
