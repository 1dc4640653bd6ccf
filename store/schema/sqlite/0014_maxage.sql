-- expand: how old a list relying parties take, for SQLite.

ALTER TABLE relying_parties ADD COLUMN max_age INTEGER NOT NULL DEFAULT 0;    -- seconds; 0: it did not say
