-- expand: ACME (RFC 8555), for SQLite. Ids begin with the time of their making: what is
-- used together lies together.

-- The secret, wrapped by a key outside the database; only of a token that an ACME
-- account may be bound with.
ALTER TABLE tokens ADD COLUMN sealed BLOB;

-- Keys of accounts are in the table keys too, with "account:ID" for the identity
-- and an empty serial: a key is an account's or a certificate's, for ever.
CREATE TABLE acme_accounts (
    id         BLOB PRIMARY KEY,
    thumbprint BLOB    NOT NULL, -- RFC 7638, SHA-256
    spki       BLOB    NOT NULL, -- SHA-256 of the SubjectPublicKeyInfo
    jwk        BLOB    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('valid', 'deactivated', 'revoked')),
    contacts   TEXT    NOT NULL, -- JSON list, or empty
    terms      BOOLEAN NOT NULL,
    identity   TEXT    NOT NULL, -- path, or empty
    token      BLOB,             -- that bound it
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX acme_accounts_thumbprint ON acme_accounts (thumbprint);
CREATE INDEX acme_accounts_identity ON acme_accounts (identity, id) WHERE identity <> '';

-- A crash may lose the newest of what follows, but no order that has a certificate.
CREATE TABLE acme_orders (
    id          BLOB PRIMARY KEY,
    account     BLOB    NOT NULL,
    identity    TEXT    NOT NULL, -- path that it is for
    status      TEXT    NOT NULL CHECK (status IN ('open', 'valid', 'invalid')),
    identifiers TEXT    NOT NULL, -- JSON
    profile     TEXT    NOT NULL,
    replaces    BLOB,             -- serial; NULL too once another order may replace it
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    remove_at   INTEGER NOT NULL, -- a column of its own: what asks for an order that is in time takes no index of ends
    serial      BLOB,
    error       BLOB
) WITHOUT ROWID;
CREATE INDEX acme_orders_account ON acme_orders (account, id);
CREATE UNIQUE INDEX acme_orders_serial ON acme_orders (serial) WHERE serial IS NOT NULL;
CREATE UNIQUE INDEX acme_orders_replaces ON acme_orders (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX acme_orders_removal ON acme_orders (remove_at, id);

CREATE TABLE acme_authorizations (
    id           BLOB PRIMARY KEY,
    account      BLOB    NOT NULL,
    type         TEXT    NOT NULL,
    value        TEXT    NOT NULL,
    wildcard     BOOLEAN NOT NULL,
    status       TEXT    NOT NULL CHECK (status IN ('pending', 'valid', 'invalid', 'deactivated')),
    token        TEXT    NOT NULL, -- of its challenges, or empty
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    remove_at    INTEGER NOT NULL,
    challenge    TEXT    NOT NULL, -- type that was attempted, or empty
    attempted_at INTEGER,
    validated_at INTEGER,
    error        BLOB,
    spki         BLOB              -- of the attested key
) WITHOUT ROWID;
CREATE INDEX acme_authorizations_valid ON acme_authorizations (account, type, value, wildcard, expires_at) WHERE status = 'valid';
CREATE INDEX acme_authorizations_removal ON acme_authorizations (remove_at, id);

CREATE TABLE acme_order_authorizations (
    order_id         BLOB    NOT NULL,
    position         INTEGER NOT NULL,
    authorization_id BLOB    NOT NULL,
    PRIMARY KEY (order_id, position)
) WITHOUT ROWID;
