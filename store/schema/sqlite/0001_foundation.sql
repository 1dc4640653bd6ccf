-- expand: the first schema, for SQLite. Times are Unix milliseconds.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE policy (
    version   INTEGER PRIMARY KEY,
    text      BLOB    NOT NULL,
    digest    BLOB    NOT NULL, -- SHA-256 of text
    loaded_at INTEGER NOT NULL,
    actor     TEXT    NOT NULL
);

-- What every certificate is checked against when it is recorded.
CREATE TABLE current (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    policy_version INTEGER NOT NULL
);
INSERT INTO current (id, policy_version) VALUES (1, 0);

-- The CRL number that was taken or reserved last. A row of its own, so that
-- taking one does not wait for those who issue.
CREATE TABLE crl_number (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO crl_number (id, number) VALUES (1, 0);

CREATE TABLE identities (
    path       TEXT PRIMARY KEY, -- role/name
    role       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'revoked', 'retired')),
    revision   INTEGER NOT NULL,
    suspect    BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    dns        TEXT    NOT NULL, -- JSON list, or empty
    ips        TEXT    NOT NULL  -- JSON list, or empty
) WITHOUT ROWID;
CREATE INDEX identities_name ON identities (name, role);
CREATE INDEX identities_owner ON identities (owner, path) WHERE owner <> '';
CREATE INDEX identities_state ON identities (state, path) WHERE state <> 'active';

-- Names and addresses that are reserved to an identity, or to a role ("role/*").
CREATE TABLE names (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX names_holder ON names (holder);

-- Every public key that was ever certified. Never pruned.
CREATE TABLE keys (
    spki     BLOB PRIMARY KEY, -- SHA-256 of the SubjectPublicKeyInfo
    identity TEXT NOT NULL,
    serial   BLOB NOT NULL     -- newest certificate for it
) WITHOUT ROWID;

-- In the order of their making, not of their random ids: tokens that are spent
-- together lie together.
CREATE TABLE tokens (
    id         BLOB    NOT NULL PRIMARY KEY,
    hash       BLOB    NOT NULL,
    role       TEXT    NOT NULL,
    name       TEXT    NOT NULL, -- or a pattern
    exact      BOOLEAN NOT NULL, -- name is a name
    max_uses   INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    network    TEXT    NOT NULL, -- CIDR, or empty
    spki       BLOB,
    replaces   BOOLEAN NOT NULL,
    owner      TEXT    NOT NULL,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    used_by    TEXT     -- identity that a pattern was used for last
);
CREATE INDEX tokens_created ON tokens (created_at, id);
CREATE INDEX tokens_name ON tokens (role, name, created_at, id);

-- Certificates as issued. Rows are never changed.
CREATE TABLE certificates (
    serial         BLOB    NOT NULL PRIMARY KEY,
    identity       TEXT    NOT NULL,
    not_before     INTEGER NOT NULL,
    not_after      INTEGER NOT NULL,
    spki           BLOB    NOT NULL,
    method         TEXT    NOT NULL,
    token          BLOB,
    parent         BLOB,
    policy_version INTEGER NOT NULL,
    der            BLOB    NOT NULL
);
CREATE INDEX certificates_identity ON certificates (identity, serial);
CREATE INDEX certificates_end ON certificates (not_after, serial);

-- What a certificate was renewed into.
CREATE TABLE lineage (
    parent BLOB PRIMARY KEY,
    child  BLOB    NOT NULL,
    forked BOOLEAN NOT NULL
) WITHOUT ROWID;

-- Certificates that are known to be in use. A crash may lose the newest.
CREATE TABLE confirmations (
    serial BLOB PRIMARY KEY,
    at     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE revocations (
    serial     BLOB PRIMARY KEY,
    identity   TEXT    NOT NULL,
    reason     INTEGER NOT NULL, -- RFC 5280, Section 5.3.1
    revoked_at INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    number     INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX revocations_number ON revocations (number, serial);

-- The newest signed CRL of each kind.
CREATE TABLE crls (
    issuer      TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    base        INTEGER NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    der         BLOB    NOT NULL,
    PRIMARY KEY (issuer, kind)
);

-- The audit log: the leaf is the truth, the other columns repeat parts of it to
-- search by. The terms are blind indexes.
CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    action TEXT    NOT NULL,
    leaf   BLOB    NOT NULL,
    hash   BLOB    NOT NULL,
    term1  BLOB,
    term2  BLOB,
    term3  BLOB,
    term4  BLOB
);
CREATE INDEX audit_at ON audit (at, seq);
CREATE INDEX audit_action ON audit (action, at, seq) WHERE action <> 'certificate.issue';
CREATE INDEX audit_term1 ON audit (term1, seq) WHERE term1 IS NOT NULL;
CREATE INDEX audit_term2 ON audit (term2, seq) WHERE term2 IS NOT NULL;
CREATE INDEX audit_term3 ON audit (term3, seq) WHERE term3 IS NOT NULL;
CREATE INDEX audit_term4 ON audit (term4, seq) WHERE term4 IS NOT NULL;

CREATE TABLE audit_tiles (
    level  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    hashes BLOB    NOT NULL,
    PRIMARY KEY (level, n)
);

-- Data keys of the log, wrapped. Destroying one makes its entries unreadable.
CREATE TABLE audit_keys (
    id         BLOB PRIMARY KEY,
    wrapped    BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL,
    note TEXT    NOT NULL
);
