-- expand: over how many lists an issuer's certificates were spread, for SQLite. Which one a
-- certificate is on stands in it: so what was once in use stays here.

CREATE TABLE crl_shards (
    issuer   TEXT    NOT NULL, -- key identifier, in hex
    n        INTEGER NOT NULL, -- a power of two
    added_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, n)
) WITHOUT ROWID;
