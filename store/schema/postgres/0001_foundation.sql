-- expand: the first schema, for PostgreSQL. Times are Unix milliseconds. Text is compared
-- byte by byte, as SQLite does, and not as some language would.

CREATE TABLE meta (
    key   TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA            NOT NULL
);

CREATE TABLE policy (
    version   BIGINT           PRIMARY KEY,
    text      BYTEA            NOT NULL,
    digest    BYTEA            NOT NULL, -- SHA-256 of text
    loaded_at BIGINT           NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL
);

-- What every certificate is checked against when it is recorded.
CREATE TABLE current (
    id             BIGINT PRIMARY KEY CHECK (id = 1),
    policy_version BIGINT NOT NULL
);
INSERT INTO current (id, policy_version) VALUES (1, 0);

-- The CRL number that was taken or reserved last. A row of its own, so that
-- taking one does not wait for those who issue.
CREATE TABLE crl_number (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
INSERT INTO crl_number (id, number) VALUES (1, 0);

CREATE TABLE identities (
    path       TEXT COLLATE "C" PRIMARY KEY, -- role/name
    role       TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    owner      TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'revoked', 'retired')),
    revision   BIGINT           NOT NULL,
    suspect    BOOLEAN          NOT NULL,
    created_at BIGINT           NOT NULL,
    changed_at BIGINT           NOT NULL,
    dns        TEXT COLLATE "C" NOT NULL,    -- JSON list, or empty
    ips        TEXT COLLATE "C" NOT NULL     -- JSON list, or empty
);
CREATE INDEX identities_name ON identities (name, role);
CREATE INDEX identities_owner ON identities (owner, path) WHERE owner <> '';
CREATE INDEX identities_state ON identities (state, path) WHERE state <> 'active';

-- Names and addresses that are reserved to an identity, or to a role ("role/*").
CREATE TABLE names (
    name   TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL
);
CREATE INDEX names_holder ON names (holder);

-- Every public key that was ever certified. Never pruned.
CREATE TABLE keys (
    spki     BYTEA            PRIMARY KEY, -- SHA-256 of the SubjectPublicKeyInfo
    identity TEXT COLLATE "C" NOT NULL,
    serial   BYTEA            NOT NULL     -- newest certificate for it
);

CREATE TABLE tokens (
    id         BYTEA            NOT NULL PRIMARY KEY,
    hash       BYTEA            NOT NULL,
    role       TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL, -- or a pattern
    exact      BOOLEAN          NOT NULL, -- name is a name
    max_uses   BIGINT           NOT NULL,
    uses       BIGINT           NOT NULL,
    expires_at BIGINT           NOT NULL,
    network    TEXT COLLATE "C" NOT NULL, -- CIDR, or empty
    spki       BYTEA,
    replaces   BOOLEAN          NOT NULL,
    owner      TEXT COLLATE "C" NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    created_at BIGINT           NOT NULL,
    revoked_at BIGINT,
    used_by    TEXT COLLATE "C"           -- identity that a pattern was used for last
) WITH (fillfactor = 50);
CREATE INDEX tokens_created ON tokens (created_at, id);
CREATE INDEX tokens_name ON tokens (role, name, created_at, id);

-- Certificates as issued. Rows are never changed.
CREATE TABLE certificates (
    serial         BYTEA            NOT NULL PRIMARY KEY,
    identity       TEXT COLLATE "C" NOT NULL,
    not_before     BIGINT           NOT NULL,
    not_after      BIGINT           NOT NULL,
    spki           BYTEA            NOT NULL,
    method         TEXT COLLATE "C" NOT NULL,
    token          BYTEA,
    parent         BYTEA,
    policy_version BIGINT           NOT NULL,
    der            BYTEA            NOT NULL
);
CREATE INDEX certificates_identity ON certificates (identity, serial);
CREATE INDEX certificates_end ON certificates (not_after, serial);

-- What a certificate was renewed into.
CREATE TABLE lineage (
    parent BYTEA   PRIMARY KEY,
    child  BYTEA   NOT NULL,
    forked BOOLEAN NOT NULL
);

-- Certificates that are known to be in use. A crash may lose the newest.
CREATE TABLE confirmations (
    serial BYTEA  PRIMARY KEY,
    at     BIGINT NOT NULL
);

CREATE TABLE revocations (
    serial     BYTEA            PRIMARY KEY,
    identity   TEXT COLLATE "C" NOT NULL,
    reason     BIGINT           NOT NULL, -- RFC 5280, Section 5.3.1
    revoked_at BIGINT           NOT NULL,
    not_after  BIGINT           NOT NULL,
    number     BIGINT           NOT NULL
);
CREATE INDEX revocations_number ON revocations (number, serial);

-- The newest signed CRL of each kind.
CREATE TABLE crls (
    issuer      TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    number      BIGINT           NOT NULL,
    base        BIGINT           NOT NULL,
    this_update BIGINT           NOT NULL,
    next_update BIGINT           NOT NULL,
    der         BYTEA            NOT NULL,
    PRIMARY KEY (issuer, kind)
);

-- The audit log: the leaf is the truth, the other columns repeat parts of it to
-- search by. The terms are blind indexes.
CREATE TABLE audit (
    seq    BIGINT           PRIMARY KEY,
    at     BIGINT           NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    leaf   BYTEA            NOT NULL,
    hash   BYTEA            NOT NULL,
    term1  BYTEA,
    term2  BYTEA,
    term3  BYTEA,
    term4  BYTEA
);
CREATE INDEX audit_at ON audit (at, seq);
CREATE INDEX audit_action ON audit (action, at, seq) WHERE action <> 'certificate.issue';
CREATE INDEX audit_term1 ON audit (term1, seq) WHERE term1 IS NOT NULL;
CREATE INDEX audit_term2 ON audit (term2, seq) WHERE term2 IS NOT NULL;
CREATE INDEX audit_term3 ON audit (term3, seq) WHERE term3 IS NOT NULL;
CREATE INDEX audit_term4 ON audit (term4, seq) WHERE term4 IS NOT NULL;

CREATE TABLE audit_tiles (
    level  BIGINT NOT NULL,
    n      BIGINT NOT NULL,
    hashes BYTEA  NOT NULL,
    PRIMARY KEY (level, n)
);

-- Data keys of the log, wrapped. Destroying one makes its entries unreadable.
CREATE TABLE audit_keys (
    id         BYTEA  PRIMARY KEY,
    wrapped    BYTEA  NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE checkpoints (
    size BIGINT           PRIMARY KEY,
    at   BIGINT           NOT NULL,
    note TEXT COLLATE "C" NOT NULL
);
