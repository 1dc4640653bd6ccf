-- expand: how much of the archive is taken, for PostgreSQL. What programs of before take
-- meanwhile is not counted.

CREATE TABLE archive_use (
    identity   TEXT COLLATE "C" PRIMARY KEY, -- path, of who ships
    day        BIGINT           NOT NULL,    -- since 1970, in UTC, that the next two are of
    begun      BIGINT           NOT NULL,    -- journals
    bytes      BIGINT           NOT NULL,    -- that were taken
    refused_at BIGINT           NOT NULL     -- when it was put on record last that no more was; 0: never
);

CREATE TABLE archive_size (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    bytes BIGINT NOT NULL -- of all journals
);
INSERT INTO archive_size (id, bytes) SELECT 1, COALESCE(SUM(OCTET_LENGTH(frames)), 0) FROM journal_batches;
