-- expand: what two people have to agree on, and powers for a time, for SQLite. Programs of before
-- do without, and lift no tombstone.

-- What somebody asked for that needs two people. Rows stay: there is one for each.
CREATE TABLE proposals (
    id         BLOB PRIMARY KEY,
    kind       TEXT    NOT NULL CHECK (kind IN ('token', 'tombstone', 'policy', 'power')),
    subject    TEXT    NOT NULL,
    digest     BLOB    NOT NULL, -- of kind, proposer and body
    body       BLOB    NOT NULL, -- JSON
    reason     TEXT    NOT NULL,
    proposer   TEXT    NOT NULL, -- uid:0, or the path of a person
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'approved', 'denied', 'used')),
    decided_by TEXT    NOT NULL,
    decided_at INTEGER NOT NULL  -- 0: not yet
) WITHOUT ROWID;
CREATE INDEX proposals_digest ON proposals (digest, created_at);
CREATE INDEX proposals_created ON proposals (created_at, id);
CREATE INDEX proposals_proposer ON proposals (proposer, created_at);

CREATE TABLE consents (
    proposal BLOB    NOT NULL,
    path     TEXT    NOT NULL,
    owner    TEXT    NOT NULL, -- who answered for that person then
    serial   BLOB    NOT NULL, -- certificate that was presented
    at       INTEGER NOT NULL,
    PRIMARY KEY (proposal, path)
) WITHOUT ROWID;

-- Powers that people have for a time, and had. Rows stay.
CREATE TABLE powers (
    id          BLOB PRIMARY KEY,
    person      TEXT    NOT NULL, -- path
    owner       TEXT    NOT NULL, -- who answered for that person then
    kind        TEXT    NOT NULL CHECK (kind IN ('grant', 'break-glass')),
    power       TEXT    NOT NULL, -- the right
    reason      TEXT    NOT NULL,
    granted_by  TEXT    NOT NULL, -- paths, joined by a space; empty: nobody
    begun_at    INTEGER NOT NULL,
    ends_at     INTEGER NOT NULL,
    uses        INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL, -- 0: not yet
    ended_by    TEXT    NOT NULL,
    reviewed_at INTEGER NOT NULL, -- 0: not yet
    reviewed_by TEXT    NOT NULL,
    word        TEXT    NOT NULL
) WITHOUT ROWID;
CREATE INDEX powers_person ON powers (person, ends_at) WHERE ended_at = 0;
CREATE INDEX powers_end ON powers (ends_at, id) WHERE ended_at = 0;
CREATE INDEX powers_begun ON powers (begun_at, id);
CREATE INDEX powers_unreviewed ON powers (begun_at, id) WHERE kind = 'break-glass' AND reviewed_at = 0;

ALTER TABLE tokens ADD COLUMN lifts BOOLEAN NOT NULL DEFAULT FALSE; -- enrols an identity that is revoked
