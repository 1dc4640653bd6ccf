-- expand: what a further replica is made from, for SQLite, which has none. Programs of
-- before do without.

CREATE TABLE deposit (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    content BLOB    NOT NULL, -- sealed by the authority
    made_at INTEGER NOT NULL
);

-- Whether a policy file is a version of before, and which.
CREATE INDEX policy_digest ON policy (digest, version);
