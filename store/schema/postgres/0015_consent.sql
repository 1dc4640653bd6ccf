-- expand: what two people have to agree on, and powers for a time, for PostgreSQL. Programs of
-- before do without, and lift no tombstone.

-- What somebody asked for that needs two people. Rows stay: there is one for each.
CREATE TABLE proposals (
    id         BYTEA            PRIMARY KEY,
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('token', 'tombstone', 'policy', 'power')),
    subject    TEXT COLLATE "C" NOT NULL,
    digest     BYTEA            NOT NULL, -- of kind, proposer and body
    body       BYTEA            NOT NULL, -- JSON
    reason     TEXT COLLATE "C" NOT NULL,
    proposer   TEXT COLLATE "C" NOT NULL, -- uid:0, or the path of a person
    created_at BIGINT           NOT NULL,
    expires_at BIGINT           NOT NULL,
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'approved', 'denied', 'used')),
    decided_by TEXT COLLATE "C" NOT NULL,
    decided_at BIGINT           NOT NULL  -- 0: not yet
);
CREATE INDEX proposals_digest ON proposals (digest, created_at);
CREATE INDEX proposals_created ON proposals (created_at, id);
CREATE INDEX proposals_proposer ON proposals (proposer, created_at);

CREATE TABLE consents (
    proposal BYTEA            NOT NULL,
    path     TEXT COLLATE "C" NOT NULL,
    owner    TEXT COLLATE "C" NOT NULL, -- who answered for that person then
    serial   BYTEA            NOT NULL, -- certificate that was presented
    at       BIGINT           NOT NULL,
    PRIMARY KEY (proposal, path)
);

-- Powers that people have for a time, and had. Rows stay.
CREATE TABLE powers (
    id          BYTEA            PRIMARY KEY,
    person      TEXT COLLATE "C" NOT NULL, -- path
    owner       TEXT COLLATE "C" NOT NULL, -- who answered for that person then
    kind        TEXT COLLATE "C" NOT NULL CHECK (kind IN ('grant', 'break-glass')),
    power       TEXT COLLATE "C" NOT NULL, -- the right
    reason      TEXT COLLATE "C" NOT NULL,
    granted_by  TEXT COLLATE "C" NOT NULL, -- paths, joined by a space; empty: nobody
    begun_at    BIGINT           NOT NULL,
    ends_at     BIGINT           NOT NULL,
    uses        BIGINT           NOT NULL,
    ended_at    BIGINT           NOT NULL, -- 0: not yet
    ended_by    TEXT COLLATE "C" NOT NULL,
    reviewed_at BIGINT           NOT NULL, -- 0: not yet
    reviewed_by TEXT COLLATE "C" NOT NULL,
    word        TEXT COLLATE "C" NOT NULL
);
CREATE INDEX powers_person ON powers (person, ends_at) WHERE ended_at = 0;
CREATE INDEX powers_end ON powers (ends_at, id) WHERE ended_at = 0;
CREATE INDEX powers_begun ON powers (begun_at, id);
CREATE INDEX powers_unreviewed ON powers (begun_at, id) WHERE kind = 'break-glass' AND reviewed_at = 0;

ALTER TABLE tokens ADD COLUMN lifts BOOLEAN NOT NULL DEFAULT FALSE; -- enrols an identity that is revoked
