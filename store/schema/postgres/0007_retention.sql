-- expand: what leaves the store, and what is known of it afterwards.

CREATE TABLE retention (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    horizon      BIGINT  NOT NULL, -- no serial of a purged certificate bears a later time
    certificates BIGINT  NOT NULL, -- removed, and not in the log yet; so the rest
    revocations  BIGINT  NOT NULL,
    tokens       BIGINT  NOT NULL
);
INSERT INTO retention (id, horizon, certificates, revocations, tokens) VALUES (1, 0, 0, 0, 0);

-- Entries of the log that lie in files: their rows go, or are gone.
CREATE TABLE audit_segments (
    last     BIGINT PRIMARY KEY, -- entry
    first    BIGINT  NOT NULL,
    file     TEXT    NOT NULL,    -- in the archive
    bytes    BIGINT  NOT NULL,
    digest   BYTEA   NOT NULL,    -- SHA-256 of the file
    added_at BIGINT  NOT NULL
);

CREATE INDEX revocations_end ON revocations (not_after, serial, issuer);
