-- expand: whom the log is delivered to, and how far that is, for SQLite. Programs of before
-- deliver nothing.

-- Systems of somebody else's, by the name that the configuration gives them. Rows stay.
CREATE TABLE sinks (
    name       TEXT PRIMARY KEY,
    begun_at   INTEGER NOT NULL,
    told_at    INTEGER NOT NULL, -- when it took something last; 0: never
    failing_at INTEGER NOT NULL, -- since when it takes nothing; 0: it does
    trouble    TEXT    NOT NULL  -- why
) WITHOUT ROWID;

-- What each has taken of each log. Rows stay.
CREATE TABLE deliveries (
    sink     TEXT    NOT NULL,
    log      TEXT    NOT NULL, -- origin of a journal; empty: the CA's own
    seq      INTEGER NOT NULL, -- entries up to this one
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (sink, log)
) WITHOUT ROWID;
