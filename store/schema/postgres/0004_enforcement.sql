-- expand: which CRL number relying parties say they enforce, for PostgreSQL.

CREATE TABLE relying_parties (
    identity    TEXT COLLATE "C" NOT NULL, -- path, of its certificate
    issuer      TEXT COLLATE "C" NOT NULL, -- key identifier, in hex, of the list's issuer
    number      BIGINT           NOT NULL, -- CRL number
    reported_at BIGINT           NOT NULL, -- when it said so, by our clock
    enforced_at BIGINT           NOT NULL, -- since when it enforces it, by its own
    first_seen  BIGINT           NOT NULL,
    address     TEXT COLLATE "C" NOT NULL,
    connections BIGINT           NOT NULL, -- that it held open
    PRIMARY KEY (identity, issuer)
);
CREATE INDEX relying_parties_time ON relying_parties (reported_at, identity, issuer);
