-- expand: which processes share the database, for PostgreSQL, and how far each is.
-- A crash of the server empties the table, and each writes its row again.

CREATE UNLOGGED TABLE replicas (
    id          BIGINT           PRIMARY KEY, -- of the process, random
    name        TEXT COLLATE "C" NOT NULL,    -- empty: a tool
    version     TEXT COLLATE "C" NOT NULL,    -- of the program
    url         TEXT COLLATE "C" NOT NULL,
    schema      BIGINT           NOT NULL,    -- newest that the program knows
    seen        BIGINT           NOT NULL,    -- greatest CRL number that it has applied
    beats       BIGINT           NOT NULL,    -- how often it has written this row
    started_at  BIGINT           NOT NULL,    -- by the server's clock, as is lease_until
    lease_until BIGINT           NOT NULL     -- for people and migrations: the lease itself is the process's
);
