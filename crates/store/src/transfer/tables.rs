//! The tables of an export, and their columns with the primary key first. A table comes after every
//! table that it refers to, so that an import can insert the rows in this order.

use crate::sql::value::Kind;
use Kind::{Blob, Integer, Text};

pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Number of columns in the primary key.
    pub(crate) key_len: usize,
    pub(crate) columns: &'static [(&'static str, Kind)],
    /// Whether PostgreSQL numbers new rows, in the column `id`.
    pub(crate) is_numbered: bool,
}

const fn table(name: &'static str, key_len: usize, columns: &'static [(&'static str, Kind)]) -> Table {
    Table {
        name,
        key_len,
        columns,
        is_numbered: false,
    }
}

const fn numbered(name: &'static str, columns: &'static [(&'static str, Kind)]) -> Table {
    Table {
        name,
        key_len: 1,
        columns,
        is_numbered: true,
    }
}

/// All tables that an export contains. A test compares them with the tables that the migrations
/// create.
pub(crate) const TABLES: &[Table] = &[
    table("settings", 1, &[("name", Text), ("value", Text)]),
    table(
        "accounts",
        1,
        &[
            ("uid", Blob),
            ("organization_id", Blob),
            ("email", Text),
            ("created_at", Integer),
            ("disabled_at", Integer),
            ("version", Integer),
            ("user_handle", Blob),
            ("display_name", Text),
            ("contact_email", Text),
            ("deleted_at", Integer),
        ],
    ),
    table(
        "api_keys",
        1,
        &[
            ("key_id", Blob),
            ("uid", Blob),
            ("label", Text),
            ("public_key", Blob),
            ("scopes", Text),
            ("allowed_ips", Text),
            ("created_at", Integer),
            ("activated_at", Integer),
            ("expires_at", Integer),
            ("revoked_at", Integer),
            ("version", Integer),
            ("last_used_at", Integer),
            ("last_used_ip", Text),
            ("reminded_days", Integer),
            ("disabled_at", Integer),
        ],
    ),
    table(
        "sessions",
        1,
        &[
            ("sid", Blob),
            ("key_id", Blob),
            ("secret_hash", Blob),
            ("open_nonce", Blob),
            ("mac_kid", Text),
            ("current", Integer),
            ("parent", Integer),
            ("rotated_at", Integer),
            ("reissue_count", Integer),
            ("burst_oldest", Integer),
            ("burst_began_at", Integer),
            ("challenge_at", Integer),
            ("opened_at", Integer),
            ("expires_at", Integer),
            ("ended_at", Integer),
            ("end_reason", Text),
        ],
    ),
    table(
        "signing_keys",
        1,
        &[
            ("kid", Text),
            ("purpose", Text),
            ("algorithm", Text),
            ("sealed", Blob),
            ("published_at", Integer),
            ("signing_since", Integer),
            ("retired_at", Integer),
        ],
    ),
    table(
        "revocations",
        2,
        &[("kind", Text), ("subject", Blob), ("at", Integer)],
    ),
    table(
        "changes",
        1,
        &[
            ("seq", Integer),
            ("at", Integer),
            ("kind", Text),
            ("subject", Blob),
        ],
    ),
    numbered(
        "audit",
        &[
            ("id", Integer),
            ("at", Integer),
            ("action", Text),
            ("actor", Text),
            ("uid", Blob),
            ("key_id", Blob),
            ("sid", Blob),
            ("ip", Text),
            ("request_id", Text),
            ("detail", Text),
        ],
    ),
    table(
        "key_refusals",
        3,
        &[
            ("key_id", Blob),
            ("code", Text),
            ("ip", Text),
            ("count", Integer),
            ("last_at", Integer),
        ],
    ),
    table(
        "released_addresses",
        1,
        &[("email", Text), ("uid", Blob), ("until", Integer)],
    ),
    table(
        "passkeys",
        1,
        &[
            ("credential_id", Blob),
            ("uid", Blob),
            ("name", Text),
            ("credential", Text),
            ("counter", Integer),
            ("backup_eligible", Integer),
            ("backed_up", Integer),
            ("created_at", Integer),
            ("last_used_at", Integer),
            ("suspect_at", Integer),
        ],
    ),
    table(
        "apple_identities",
        2,
        &[
            ("iss", Text),
            ("sub", Text),
            ("uid", Blob),
            ("email", Text),
            ("private_relay", Integer),
            ("created_at", Integer),
            ("withdrawn_at", Integer),
        ],
    ),
    table(
        "user_sessions",
        1,
        &[
            ("sid", Blob),
            ("uid", Blob),
            ("kind", Text),
            ("secret_hash", Blob),
            ("method", Text),
            ("proved_at", Integer),
            ("mac_kid", Text),
            ("current", Integer),
            ("parent", Integer),
            ("rotated_at", Integer),
            ("reissue_count", Integer),
            ("burst_oldest", Integer),
            ("burst_began_at", Integer),
            ("opened_at", Integer),
            ("last_used_at", Integer),
            ("expires_at", Integer),
            ("ip", Text),
            ("device", Text),
            ("ended_at", Integer),
            ("end_reason", Text),
        ],
    ),
    table(
        "sign_in_networks",
        2,
        &[("uid", Blob), ("network", Text), ("last_at", Integer)],
    ),
    table(
        "email_codes",
        1,
        &[
            ("flow_id", Blob),
            ("email", Text),
            ("network", Text),
            ("purpose", Text),
            ("uid", Blob),
            ("is_long", Integer),
            ("code_mac", Blob),
            ("link_hash", Blob),
            ("browser_hash", Blob),
            ("asked_at", Integer),
            ("expires_at", Integer),
            ("used_at", Integer),
        ],
    ),
    numbered(
        "email_code_events",
        &[
            ("id", Integer),
            ("kind", Text),
            ("email", Text),
            ("network", Text),
            ("site", Text),
            ("at", Integer),
            ("short_codes", Integer),
        ],
    ),
    table(
        "ceremonies",
        1,
        &[
            ("id_hash", Blob),
            ("kind", Text),
            ("uid", Blob),
            ("state", Text),
            ("expires_at", Integer),
        ],
    ),
    table(
        "recoveries",
        1,
        &[("uid", Blob), ("started_at", Integer), ("ready_at", Integer)],
    ),
    table(
        "outbox",
        1,
        &[
            ("id", Blob),
            ("kind", Text),
            ("uid", Blob),
            ("recipient", Text),
            ("payload", Blob),
            ("request_id", Text),
            ("created_at", Integer),
            ("due_at", Integer),
            ("expires_at", Integer),
            ("attempts", Integer),
            ("more", Integer),
            ("held", Integer),
            ("leased_by", Blob),
        ],
    ),
];
