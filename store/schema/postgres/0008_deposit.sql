-- expand: what a further replica is made from, for PostgreSQL. Programs of before do
-- without.

CREATE TABLE deposit (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL,
    content BYTEA  NOT NULL, -- sealed by the authority
    made_at BIGINT NOT NULL
);

-- Whether a policy file is a version of before, and which.
CREATE INDEX policy_digest ON policy (digest, version);
