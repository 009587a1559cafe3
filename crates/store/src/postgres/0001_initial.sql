-- The first schema. Times are Unix milliseconds (UTC), ids are 16 bytes, flags are 1 and 0. The tables are those
-- of SQLite's schema of the same number, so one text of SQL serves both databases. README-migrations.md has the
-- rules for the next ones.
--
-- COLLATE "C" orders texts as bytes, whatever the collation of the database is. An update of the system's locales
-- cannot break such an index.

-- Single values: the environment, the version of the set of signing keys, the time of the last restore.
CREATE TABLE settings (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE accounts (
    uid             BYTEA PRIMARY KEY,
    organization_id BYTEA NOT NULL UNIQUE,
    email           TEXT COLLATE "C" UNIQUE, -- proved at this service
    created_at      BIGINT NOT NULL,
    disabled_at     BIGINT,
    version         BIGINT NOT NULL,         -- +1 at every change
    user_handle     BYTEA,                   -- WebAuthn: 64 random bytes, created with the first passkey
    display_name    TEXT,                    -- shown if the account has no address
    contact_email   TEXT,                    -- not proved: receives notices, never identifies the account
    deleted_at      BIGINT                   -- the row stays, so that its uid is not used again
);
CREATE UNIQUE INDEX accounts_by_user_handle ON accounts (user_handle) WHERE user_handle IS NOT NULL;

-- A row stays after revocation: a public key can be registered once only.
CREATE TABLE api_keys (
    key_id        BYTEA PRIMARY KEY,
    uid           BYTEA NOT NULL REFERENCES accounts (uid),
    label         TEXT NOT NULL,
    public_key    BYTEA NOT NULL UNIQUE, -- SEC1, uncompressed
    scopes        TEXT NOT NULL,
    allowed_ips   TEXT NOT NULL,         -- separated by commas; empty means any
    created_at    BIGINT NOT NULL,
    activated_at  BIGINT,
    expires_at    BIGINT,
    revoked_at    BIGINT,
    version       BIGINT NOT NULL,       -- +1 at every change except of the last use
    last_used_at  BIGINT,
    last_used_ip  TEXT,
    reminded_days BIGINT,                -- the last reminder that was due: 30, 7 or 1 days before expiry
    disabled_at   BIGINT                 -- when the owner disabled it
);
CREATE INDEX api_keys_by_uid ON api_keys (uid, created_at);
-- An account's keys that are not revoked, by expiry: counting and listing the live ones reads no dead one. A key
-- without expiry expires at the end of time.
CREATE INDEX api_keys_live ON api_keys (uid, coalesce(expires_at, 9223372036854775807)) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_pending ON api_keys (created_at) WHERE activated_at IS NULL AND revoked_at IS NULL;
CREATE INDEX api_keys_by_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;

-- One row per session of an API key; a refresh updates it. The only index is the primary key, which starts with
-- the time, so inserts land at the end. A rotation changes no indexed column, and the free space lets the new
-- version of the row stay on its page.
CREATE TABLE sessions (
    sid            BYTEA PRIMARY KEY, -- derived from the challenge: a replay collides
    key_id         BYTEA NOT NULL,
    secret_hash    BYTEA NOT NULL,  -- SHA-256
    open_nonce     BYTEA NOT NULL,  -- tells a retry of the same mint from a replay
    mac_kid        TEXT NOT NULL,   -- the MAC key of the newest refresh token
    current        BIGINT NOT NULL, -- the counter of the newest refresh token
    parent         BIGINT,          -- the counter that was exchanged for it
    rotated_at     BIGINT NOT NULL,
    reissue_count  BIGINT NOT NULL, -- how often the newest token was issued again
    burst_oldest   BIGINT NOT NULL, -- the oldest counter of the burst; `current` if the burst is empty
    burst_began_at BIGINT NOT NULL,  -- when that token was exchanged
    challenge_at   BIGINT NOT NULL,
    opened_at      BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    ended_at       BIGINT,
    end_reason     TEXT
) WITH (fillfactor = 70);

-- Signing and MAC keys, sealed under the key-encryption key.
CREATE TABLE signing_keys (
    kid           TEXT COLLATE "C" PRIMARY KEY,
    purpose       TEXT NOT NULL,
    algorithm     TEXT,
    sealed        BYTEA NOT NULL,
    published_at  BIGINT NOT NULL,
    signing_since BIGINT,
    retired_at    BIGINT
);
-- At most one key of a purpose signs, even if two nodes change the set at the same time.
CREATE UNIQUE INDEX one_signing_key ON signing_keys (purpose) WHERE signing_since IS NOT NULL AND retired_at IS NULL;

CREATE TABLE revocations (
    kind    TEXT COLLATE "C" NOT NULL, -- session, key, key_expiry (from then on), account, everything
    subject BYTEA NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX revocations_by_time ON revocations (at);

-- Changes that nodes and commands announce to each other. Each number is the one before plus one, taken inside the
-- transaction. If two transactions take the same number, the second one starts over, so the numbers are committed
-- in order and without gaps.
CREATE TABLE changes (
    seq     BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    kind    TEXT NOT NULL, -- key, account, signing_keys, revocations
    subject BYTEA NOT NULL
);
CREATE INDEX changes_by_time ON changes (at);

CREATE TABLE audit (
    id         BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at         BIGINT NOT NULL,
    action     TEXT NOT NULL,
    actor      TEXT NOT NULL,
    uid        BYTEA,
    key_id     BYTEA,
    sid        BYTEA,
    ip         TEXT,
    request_id TEXT,
    detail     TEXT
);
-- An account's history and a key's, by time.
CREATE INDEX audit_by_uid ON audit (uid, at, id);
CREATE INDEX audit_by_key ON audit (uid, key_id, at, id) WHERE key_id IS NOT NULL;
-- For the log. Operators are few, so reading their entries does not depend on how many others there are.
CREATE INDEX audit_by_operator ON audit (at, id) WHERE actor = 'operator';
-- For the retention.
CREATE INDEX audit_by_time ON audit (at);
CREATE FUNCTION refuse_to_change_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$;
-- Against mistakes. The service deletes old rows, so the role that owns the table can delete any.
CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_to_change_audit();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit EXECUTE FUNCTION refuse_to_change_audit();

-- Why a key was refused, for its owner: for each code the last few addresses.
CREATE TABLE key_refusals (
    key_id  BYTEA NOT NULL REFERENCES api_keys (key_id) ON DELETE CASCADE,
    code    TEXT COLLATE "C" NOT NULL,
    ip      TEXT COLLATE "C" NOT NULL,
    count   BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, code, ip)
);
CREATE INDEX key_refusals_by_time ON key_refusals (last_at);

-- Addresses in cooldown: an account gave them up, and no other account can have them until then.
CREATE TABLE released_addresses (
    email TEXT COLLATE "C" PRIMARY KEY,
    uid   BYTEA NOT NULL, -- may take it back
    until BIGINT NOT NULL
);
CREATE INDEX released_addresses_by_time ON released_addresses (until);

CREATE TABLE passkeys (
    credential_id   BYTEA PRIMARY KEY,
    uid             BYTEA NOT NULL REFERENCES accounts (uid),
    name            TEXT NOT NULL,
    credential      TEXT NOT NULL,   -- JSON: the public key as a JWK, transports
    counter         BIGINT NOT NULL, -- the highest value seen
    backup_eligible BIGINT NOT NULL,
    backed_up       BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    last_used_at    BIGINT,
    suspect_at      BIGINT           -- the counter did not grow: possibly copied
);
CREATE INDEX passkeys_by_uid ON passkeys (uid, created_at);

CREATE TABLE apple_identities (
    iss           TEXT COLLATE "C" NOT NULL,
    sub           TEXT COLLATE "C" NOT NULL,
    uid           BYTEA NOT NULL REFERENCES accounts (uid),
    email         TEXT,   -- from Apple; never identifies the account
    private_relay BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    withdrawn_at  BIGINT, -- consent was withdrawn from the only login method: no login until it is given again
    PRIMARY KEY (iss, sub)
);
CREATE UNIQUE INDEX apple_identities_by_uid ON apple_identities (uid);

-- Sessions of users: browsers (a cookie) and command lines (refresh tokens).
CREATE TABLE user_sessions (
    sid            BYTEA PRIMARY KEY,
    uid            BYTEA NOT NULL REFERENCES accounts (uid),
    kind           TEXT NOT NULL,   -- browser, native, management
    secret_hash    BYTEA NOT NULL,  -- SHA-256
    method         TEXT NOT NULL,   -- how the user was authenticated
    proved_at      BIGINT NOT NULL,
    mac_kid        TEXT,            -- native: as in sessions
    current        BIGINT NOT NULL,
    parent         BIGINT,
    rotated_at     BIGINT NOT NULL,
    reissue_count  BIGINT NOT NULL,
    burst_oldest   BIGINT NOT NULL,
    burst_began_at BIGINT NOT NULL,
    opened_at      BIGINT NOT NULL,
    last_used_at   BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    ip             TEXT NOT NULL,
    device         TEXT NOT NULL,   -- coarse: browser and system
    ended_at       BIGINT,
    end_reason     TEXT
);
-- Ended sessions are not in it, so the list of an account's sessions does not read them.
CREATE INDEX user_sessions_by_uid ON user_sessions (uid, opened_at) WHERE ended_at IS NULL;
CREATE INDEX user_sessions_by_end ON user_sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX user_sessions_by_expiry ON user_sessions (expires_at);

-- Networks from which an account logged in: they can ask for codes even while its address is flooded.
CREATE TABLE sign_in_networks (
    uid     BYTEA NOT NULL REFERENCES accounts (uid),
    network TEXT COLLATE "C" NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (uid, network)
);
CREATE INDEX sign_in_networks_by_time ON sign_in_networks (last_at);

-- Mailed codes, and the links in the same mails. Codes are short, so only keyed hashes of them are stored.
CREATE TABLE email_codes (
    flow_id      BYTEA PRIMARY KEY,
    email        TEXT COLLATE "C" NOT NULL,
    network      TEXT COLLATE "C" NOT NULL, -- the network that asked
    purpose      TEXT NOT NULL,             -- sign_in, set_email
    uid          BYTEA,                     -- set_email: the account
    is_long      BIGINT NOT NULL,           -- 16 digits instead of 8
    code_mac     BYTEA NOT NULL,            -- HMAC-SHA256 under a key that is not in the database
    link_hash    BYTEA,                     -- SHA-256
    browser_hash BYTEA,                     -- SHA-256 of the flow cookie; NULL if a command line asked
    asked_at     BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    used_at      BIGINT
);
CREATE INDEX email_codes_by_email ON email_codes (email, asked_at);
CREATE INDEX email_codes_by_browser ON email_codes (browser_hash) WHERE browser_hash IS NOT NULL;
CREATE INDEX email_codes_by_expiry ON email_codes (expires_at);
CREATE INDEX email_codes_by_uid ON email_codes (uid) WHERE uid IS NOT NULL;
CREATE UNIQUE INDEX email_codes_by_link ON email_codes (link_hash) WHERE link_hash IS NOT NULL;

-- What the limits count: failed codes and sent mails of the last 24 hours.
CREATE TABLE email_code_events (
    id          BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    kind        TEXT COLLATE "C" NOT NULL, -- failed, sent
    email       TEXT COLLATE "C" NOT NULL,
    network     TEXT NOT NULL,
    site        TEXT,                      -- sent: the IPv4 address or IPv6 /48 of the client
    at          BIGINT NOT NULL,
    short_codes BIGINT NOT NULL            -- failed: the number of 8-digit codes that it was compared with
);
CREATE INDEX email_code_events_by_email ON email_code_events (email, kind, at);
CREATE INDEX email_code_events_by_time ON email_code_events (at);

-- WebAuthn ceremonies and logins with Apple in progress: single use, a few minutes.
CREATE TABLE ceremonies (
    id_hash    BYTEA PRIMARY KEY, -- SHA-256 of what the browser presents
    kind       TEXT NOT NULL,
    uid        BYTEA,
    state      TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX ceremonies_by_expiry ON ceremonies (expires_at);
CREATE INDEX ceremonies_by_uid ON ceremonies (uid) WHERE uid IS NOT NULL;

-- Recoveries: a user who lost the passkey waits 24 hours, announced by mail.
CREATE TABLE recoveries (
    uid        BYTEA PRIMARY KEY REFERENCES accounts (uid),
    started_at BIGINT NOT NULL,
    ready_at   BIGINT NOT NULL
);

-- Mail that waits to be sent, written by the change that causes it.
CREATE TABLE outbox (
    id         BYTEA PRIMARY KEY,
    kind       TEXT COLLATE "C" NOT NULL, -- code, notice, reminder
    uid        BYTEA,                     -- notice: the account, if its notices may be put together
    recipient  TEXT NOT NULL,
    payload    BYTEA NOT NULL,            -- JSON; of a code sealed under the key-encryption key
    request_id TEXT,
    created_at BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,           -- the next attempt; while a node sends it, the end of the node's lease
    expires_at BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,           -- failed ones
    more       BIGINT NOT NULL,           -- further changes that had no room
    held       BIGINT NOT NULL,           -- waits to be put together with the account's other notices
    leased_by  BYTEA                      -- the node that sends it
);
CREATE INDEX outbox_by_due ON outbox (kind, due_at);
CREATE INDEX outbox_by_age ON outbox (kind, created_at);
CREATE INDEX outbox_by_uid ON outbox (uid, created_at) WHERE uid IS NOT NULL;
CREATE INDEX outbox_by_expiry ON outbox (expires_at);
