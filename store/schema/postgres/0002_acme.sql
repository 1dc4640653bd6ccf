-- expand: ACME (RFC 8555), for PostgreSQL. Ids begin with the time of their making: what
-- is used together lies together.

-- The secret, wrapped by a key outside the database; only of a token that an ACME
-- account may be bound with.
ALTER TABLE tokens ADD COLUMN sealed BYTEA;

-- Keys of accounts are in the table keys too, with "account:ID" for the identity
-- and an empty serial: a key is an account's or a certificate's, for ever.
CREATE TABLE acme_accounts (
    id         BYTEA            PRIMARY KEY,
    thumbprint BYTEA            NOT NULL, -- RFC 7638, SHA-256
    spki       BYTEA            NOT NULL, -- SHA-256 of the SubjectPublicKeyInfo
    jwk        BYTEA            NOT NULL,
    status     TEXT COLLATE "C" NOT NULL CHECK (status IN ('valid', 'deactivated', 'revoked')),
    contacts   TEXT COLLATE "C" NOT NULL, -- JSON list, or empty
    terms      BOOLEAN          NOT NULL,
    identity   TEXT COLLATE "C" NOT NULL, -- path, or empty
    token      BYTEA,                     -- that bound it
    created_at BIGINT           NOT NULL
);
CREATE UNIQUE INDEX acme_accounts_thumbprint ON acme_accounts (thumbprint);
CREATE INDEX acme_accounts_identity ON acme_accounts (identity, id) WHERE identity <> '';

-- A crash may lose the newest of what follows, but no order that has a certificate.
CREATE TABLE acme_orders (
    id          BYTEA            PRIMARY KEY,
    account     BYTEA            NOT NULL,
    identity    TEXT COLLATE "C" NOT NULL, -- path that it is for
    status      TEXT COLLATE "C" NOT NULL CHECK (status IN ('open', 'valid', 'invalid')),
    identifiers TEXT COLLATE "C" NOT NULL, -- JSON
    profile     TEXT COLLATE "C" NOT NULL,
    replaces    BYTEA,                     -- serial; NULL too once another order may replace it
    created_at  BIGINT           NOT NULL,
    expires_at  BIGINT           NOT NULL,
    remove_at   BIGINT           NOT NULL, -- a column of its own: what asks for an order that is in time takes no index of ends
    serial      BYTEA,
    error       BYTEA
);
CREATE INDEX acme_orders_account ON acme_orders (account, id);
CREATE UNIQUE INDEX acme_orders_serial ON acme_orders (serial) WHERE serial IS NOT NULL;
CREATE UNIQUE INDEX acme_orders_replaces ON acme_orders (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX acme_orders_removal ON acme_orders (remove_at, id);

CREATE TABLE acme_authorizations (
    id           BYTEA            PRIMARY KEY,
    account      BYTEA            NOT NULL,
    type         TEXT COLLATE "C" NOT NULL,
    value        TEXT COLLATE "C" NOT NULL,
    wildcard     BOOLEAN          NOT NULL,
    status       TEXT COLLATE "C" NOT NULL CHECK (status IN ('pending', 'valid', 'invalid', 'deactivated')),
    token        TEXT COLLATE "C" NOT NULL, -- of its challenges, or empty
    created_at   BIGINT           NOT NULL,
    expires_at   BIGINT           NOT NULL,
    remove_at    BIGINT           NOT NULL,
    challenge    TEXT COLLATE "C" NOT NULL, -- type that was attempted, or empty
    attempted_at BIGINT,
    validated_at BIGINT,
    error        BYTEA,
    spki         BYTEA                      -- of the attested key
);
CREATE INDEX acme_authorizations_valid ON acme_authorizations (account, type, value, wildcard, expires_at) WHERE status = 'valid';
CREATE INDEX acme_authorizations_removal ON acme_authorizations (remove_at, id);

CREATE TABLE acme_order_authorizations (
    order_id         BYTEA  NOT NULL,
    position         BIGINT NOT NULL,
    authorization_id BYTEA  NOT NULL,
    PRIMARY KEY (order_id, position)
);

-- Nonces that were used. A crash of the server empties both tables together: with
-- its epoch gone, no nonce of before is taken again.
CREATE UNLOGGED TABLE acme_nonce_epoch (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
);
CREATE UNLOGGED TABLE acme_nonces (
    issued_at BIGINT NOT NULL, -- Unix seconds
    id        BIGINT NOT NULL,
    PRIMARY KEY (issued_at, id)
);
