-- expand: how much of the journals has left its retention, for SQLite. Programs of before
-- read what is left.

ALTER TABLE journals ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;           -- entries, from the first on
ALTER TABLE journals ADD COLUMN removed_frontier BLOB NOT NULL DEFAULT x'';   -- over them
ALTER TABLE journal_batches ADD COLUMN received_at INTEGER;                   -- NULL: by a program of before
CREATE INDEX journal_batches_received ON journal_batches (received_at, origin);
