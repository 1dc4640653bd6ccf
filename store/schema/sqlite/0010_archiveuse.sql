-- expand: how much of the archive is taken, for SQLite. What programs of before take
-- meanwhile is not counted.

CREATE TABLE archive_use (
    identity   TEXT    PRIMARY KEY, -- path, of who ships
    day        INTEGER NOT NULL,    -- since 1970, in UTC, that the next two are of
    begun      INTEGER NOT NULL,    -- journals
    bytes      INTEGER NOT NULL,    -- that were taken
    refused_at INTEGER NOT NULL     -- when it was put on record last that no more was; 0: never
) WITHOUT ROWID;

CREATE TABLE archive_size (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    bytes INTEGER NOT NULL -- of all journals
);
INSERT INTO archive_size (id, bytes) SELECT 1, COALESCE(SUM(LENGTH(frames)), 0) FROM journal_batches;
