-- expand: how much of the journals has left its retention, for PostgreSQL. Programs of
-- before read what is left.

ALTER TABLE journals ADD COLUMN removed BIGINT NOT NULL DEFAULT 0;            -- entries, from the first on
ALTER TABLE journals ADD COLUMN removed_frontier BYTEA NOT NULL DEFAULT '';   -- over them
ALTER TABLE journal_batches ADD COLUMN received_at BIGINT;                    -- NULL: by a program of before
CREATE INDEX journal_batches_received ON journal_batches (received_at, origin);
