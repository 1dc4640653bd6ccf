-- expand: whom the log is delivered to, and how far that is, for PostgreSQL. Programs of before
-- deliver nothing.

-- Systems of somebody else's, by the name that the configuration gives them. Rows stay.
CREATE TABLE sinks (
    name       TEXT COLLATE "C" PRIMARY KEY,
    begun_at   BIGINT           NOT NULL,
    told_at    BIGINT           NOT NULL, -- when it took something last; 0: never
    failing_at BIGINT           NOT NULL, -- since when it takes nothing; 0: it does
    trouble    TEXT             NOT NULL  -- why
);

-- What each has taken of each log. Rows stay.
CREATE TABLE deliveries (
    sink     TEXT COLLATE "C" NOT NULL,
    log      TEXT COLLATE "C" NOT NULL, -- origin of a journal; empty: the CA's own
    seq      BIGINT           NOT NULL, -- entries up to this one
    moved_at BIGINT           NOT NULL,
    PRIMARY KEY (sink, log)
);
