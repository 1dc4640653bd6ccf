-- expand: what is known of devices before they come, how they ask, and whether anybody still has
-- them, for SQLite. Programs of before do without.

ALTER TABLE identities ADD COLUMN site TEXT NOT NULL DEFAULT '';
ALTER TABLE identities ADD COLUMN attested_at INTEGER NOT NULL DEFAULT 0; -- when the owner last said that it is still there; at first when it was made
ALTER TABLE identities ADD COLUMN active_at INTEGER NOT NULL DEFAULT 0; -- what dormancy counts from, if no later certificate is there; 0: its making
ALTER TABLE identities ADD COLUMN birth_spki BLOB; -- SHA-256 of the key of its birth certificate
ALTER TABLE identities ADD COLUMN ek BLOB; -- SHA-256 of the endorsement key of the TPM that its keys are bound to
ALTER TABLE identities ADD COLUMN why TEXT NOT NULL DEFAULT ''; -- suspended by itself: dormant, unattested, ownerless
UPDATE identities SET attested_at = created_at;
CREATE INDEX identities_attested ON identities (role, attested_at, path) WHERE state = 'active';
CREATE INDEX identities_ownerless ON identities (path) WHERE state = 'active' AND owner = '';
CREATE INDEX identities_why ON identities (why, path) WHERE why <> '';

-- With the end and the method in it, the newest certificate of an identity is known from the
-- index alone.
DROP INDEX certificates_identity;
CREATE INDEX certificates_identity ON certificates (identity, serial, not_after, method);

-- The inventory: which identity a manufacturer's serial number is.
CREATE TABLE devices (
    role        TEXT    NOT NULL,
    serial      TEXT    NOT NULL,
    identity    TEXT    NOT NULL, -- path
    owner       TEXT    NOT NULL, -- as imported
    site        TEXT    NOT NULL,
    ek          BLOB,             -- SHA-256 of the endorsement key's SubjectPublicKeyInfo
    imported_at INTEGER NOT NULL,
    PRIMARY KEY (role, serial)
) WITHOUT ROWID;
CREATE UNIQUE INDEX devices_identity ON devices (identity);
CREATE UNIQUE INDEX devices_ek ON devices (ek) WHERE ek IS NOT NULL;

-- Machines that wait for somebody to say who they are.
CREATE TABLE requests (
    id         BLOB PRIMARY KEY,
    spki       BLOB    NOT NULL, -- SHA-256 of the SubjectPublicKeyInfo
    csr        BLOB    NOT NULL,
    nonce      BLOB    NOT NULL,
    code       TEXT    NOT NULL, -- that the machine shows too
    role       TEXT    NOT NULL, -- asked for, or empty
    network    TEXT    NOT NULL, -- that it is counted in
    address    TEXT    NOT NULL,
    proofs     TEXT    NOT NULL, -- shown so far, joined by +
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'used')),
    identity   TEXT    NOT NULL, -- path that was approved, or that the other proofs are of, or empty
    replaces   BOOLEAN NOT NULL, -- approved to supersede what the identity holds
    decided_by TEXT    NOT NULL,
    decided_at INTEGER NOT NULL  -- 0: not yet
) WITHOUT ROWID;
CREATE UNIQUE INDEX requests_spki ON requests (spki);
CREATE INDEX requests_created ON requests (created_at, id);
CREATE INDEX requests_network ON requests (network, expires_at) WHERE state = 'waiting';
CREATE INDEX requests_role ON requests (role, expires_at) WHERE state = 'waiting';
CREATE INDEX requests_identity ON requests (identity) WHERE state IN ('waiting', 'approved');
CREATE INDEX requests_end ON requests (expires_at, id);

-- Attestation keys that a TPM has shown to be its own.
CREATE TABLE attestations (
    ak         BLOB PRIMARY KEY, -- SHA-256 of the SubjectPublicKeyInfo
    ek         BLOB    NOT NULL, -- SHA-256 of the endorsement key's
    role       TEXT    NOT NULL,
    identity   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX attestations_ek ON attestations (ek, ak);
CREATE INDEX attestations_identity ON attestations (identity, ak);
CREATE INDEX attestations_end ON attestations (expires_at, ak);

-- What the last count of the living found: who has a certificate, until when, and who is in
-- doubt. A crash may lose it; it is counted again.
CREATE TABLE life (
    role       TEXT    NOT NULL,
    site       TEXT    NOT NULL,
    counted_at INTEGER NOT NULL,
    active     INTEGER NOT NULL,
    stale      INTEGER NOT NULL,
    ownerless  INTEGER NOT NULL,
    dormant    INTEGER NOT NULL,
    first      TEXT    NOT NULL, -- path of who falls first
    first_at   INTEGER NOT NULL, -- and when: 0: there is none
    ends       BLOB    NOT NULL, -- how many certificates end when
    PRIMARY KEY (role, site)
) WITHOUT ROWID;
