-- expand: what guards ship of their journals, for PostgreSQL. Programs of before do
-- without.

CREATE TABLE journals (
    origin     TEXT COLLATE "C" PRIMARY KEY, -- the journal's name for ever
    identity   TEXT COLLATE "C" NOT NULL,    -- path, of the machine that keeps it
    key        TEXT COLLATE "C" NOT NULL,    -- of its checkpoints
    statement  BYTEA            NOT NULL,    -- the machine's word that it is its own, as it came first
    size       BIGINT           NOT NULL,    -- entries received
    frontier   BYTEA            NOT NULL,    -- over them
    checkpoint TEXT             NOT NULL,    -- the newest that came; it may cover more than was received
    forked_at  BIGINT,                       -- when it showed another history; nothing is taken of it since
    heard_at   BIGINT           NOT NULL
);
CREATE INDEX journals_identity ON journals (identity, origin);

CREATE TABLE journal_batches (
    origin   TEXT COLLATE "C" NOT NULL REFERENCES journals (origin),
    last     BIGINT           NOT NULL, -- entries, both included
    first    BIGINT           NOT NULL,
    earliest BIGINT           NOT NULL, -- time of the first entry
    latest   BIGINT           NOT NULL, -- and of the last
    frames   BYTEA            NOT NULL, -- as they came
    PRIMARY KEY (origin, last)
);
ALTER TABLE journal_batches ALTER COLUMN frames SET STORAGE EXTERNAL; -- ciphertext does not compress

CREATE TABLE journal_keys (
    origin  TEXT COLLATE "C" NOT NULL REFERENCES journals (origin),
    id      BYTEA            NOT NULL,
    wrapped BYTEA            NOT NULL, -- by the log's key
    PRIMARY KEY (origin, id)
);
