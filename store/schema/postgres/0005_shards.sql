-- expand: over how many lists an issuer's certificates were spread, for PostgreSQL. Which one a
-- certificate is on stands in it: so what was once in use stays here.

CREATE TABLE crl_shards (
    issuer   TEXT COLLATE "C" NOT NULL, -- key identifier, in hex
    n        BIGINT           NOT NULL, -- a power of two
    added_at BIGINT           NOT NULL,
    PRIMARY KEY (issuer, n)
);
