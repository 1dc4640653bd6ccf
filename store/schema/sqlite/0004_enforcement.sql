-- expand: which CRL number relying parties say they enforce, for SQLite.

CREATE TABLE relying_parties (
    identity    TEXT    NOT NULL, -- path, of its certificate
    issuer      TEXT    NOT NULL, -- key identifier, in hex, of the list's issuer
    number      INTEGER NOT NULL, -- CRL number
    reported_at INTEGER NOT NULL, -- when it said so, by our clock
    enforced_at INTEGER NOT NULL, -- since when it enforces it, by its own
    first_seen  INTEGER NOT NULL,
    address     TEXT    NOT NULL,
    connections INTEGER NOT NULL, -- that it held open
    PRIMARY KEY (identity, issuer)
) WITHOUT ROWID;
CREATE INDEX relying_parties_time ON relying_parties (reported_at, identity, issuer);
