-- expand: what guards ship of their journals, for SQLite. Programs of before do without.

CREATE TABLE journals (
    origin     TEXT    PRIMARY KEY, -- the journal's name for ever
    identity   TEXT    NOT NULL,    -- path, of the machine that keeps it
    key        TEXT    NOT NULL,    -- of its checkpoints
    statement  BLOB    NOT NULL,    -- the machine's word that it is its own, as it came first
    size       INTEGER NOT NULL,    -- entries received
    frontier   BLOB    NOT NULL,    -- over them
    checkpoint TEXT    NOT NULL,    -- the newest that came; it may cover more than was received
    forked_at  INTEGER,             -- when it showed another history; nothing is taken of it since
    heard_at   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX journals_identity ON journals (identity, origin);

CREATE TABLE journal_batches (
    origin   TEXT    NOT NULL REFERENCES journals (origin),
    last     INTEGER NOT NULL, -- entries, both included
    first    INTEGER NOT NULL,
    earliest INTEGER NOT NULL, -- time of the first entry
    latest   INTEGER NOT NULL, -- and of the last
    frames   BLOB    NOT NULL, -- as they came
    PRIMARY KEY (origin, last)
);

CREATE TABLE journal_keys (
    origin  TEXT NOT NULL REFERENCES journals (origin),
    id      BLOB NOT NULL,
    wrapped BLOB NOT NULL, -- by the log's key
    PRIMARY KEY (origin, id)
) WITHOUT ROWID;
