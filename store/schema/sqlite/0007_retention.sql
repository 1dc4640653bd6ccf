-- expand: what leaves the store, and what is known of it afterwards.

CREATE TABLE retention (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    horizon      INTEGER NOT NULL, -- no serial of a purged certificate bears a later time
    certificates INTEGER NOT NULL, -- removed, and not in the log yet; so the rest
    revocations  INTEGER NOT NULL,
    tokens       INTEGER NOT NULL
);
INSERT INTO retention (id, horizon, certificates, revocations, tokens) VALUES (1, 0, 0, 0, 0);

-- Entries of the log that lie in files: their rows go, or are gone.
CREATE TABLE audit_segments (
    last     INTEGER PRIMARY KEY, -- entry
    first    INTEGER NOT NULL,
    file     TEXT    NOT NULL,    -- in the archive
    bytes    INTEGER NOT NULL,
    digest   BLOB    NOT NULL,    -- SHA-256 of the file
    added_at INTEGER NOT NULL
);

CREATE INDEX revocations_end ON revocations (not_after, serial, issuer);
