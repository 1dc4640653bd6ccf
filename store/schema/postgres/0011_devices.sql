-- expand: what is known of devices before they come, how they ask, and whether anybody still has
-- them, for PostgreSQL. Programs of before do without.

ALTER TABLE identities ADD COLUMN site TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE identities ADD COLUMN attested_at BIGINT NOT NULL DEFAULT 0; -- when the owner last said that it is still there; at first when it was made
ALTER TABLE identities ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0; -- what dormancy counts from, if no later certificate is there; 0: its making
ALTER TABLE identities ADD COLUMN birth_spki BYTEA; -- SHA-256 of the key of its birth certificate
ALTER TABLE identities ADD COLUMN ek BYTEA; -- SHA-256 of the endorsement key of the TPM that its keys are bound to
ALTER TABLE identities ADD COLUMN why TEXT COLLATE "C" NOT NULL DEFAULT ''; -- suspended by itself: dormant, unattested, ownerless
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
    role        TEXT COLLATE "C" NOT NULL,
    serial      TEXT COLLATE "C" NOT NULL,
    identity    TEXT COLLATE "C" NOT NULL, -- path
    owner       TEXT COLLATE "C" NOT NULL, -- as imported
    site        TEXT COLLATE "C" NOT NULL,
    ek          BYTEA,                     -- SHA-256 of the endorsement key's SubjectPublicKeyInfo
    imported_at BIGINT           NOT NULL,
    PRIMARY KEY (role, serial)
);
CREATE UNIQUE INDEX devices_identity ON devices (identity);
CREATE UNIQUE INDEX devices_ek ON devices (ek) WHERE ek IS NOT NULL;

-- Machines that wait for somebody to say who they are.
CREATE TABLE requests (
    id         BYTEA            PRIMARY KEY,
    spki       BYTEA            NOT NULL, -- SHA-256 of the SubjectPublicKeyInfo
    csr        BYTEA            NOT NULL,
    nonce      BYTEA            NOT NULL,
    code       TEXT COLLATE "C" NOT NULL, -- that the machine shows too
    role       TEXT COLLATE "C" NOT NULL, -- asked for, or empty
    network    TEXT COLLATE "C" NOT NULL, -- that it is counted in
    address    TEXT COLLATE "C" NOT NULL,
    proofs     TEXT COLLATE "C" NOT NULL, -- shown so far, joined by +
    created_at BIGINT           NOT NULL,
    expires_at BIGINT           NOT NULL,
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'used')),
    identity   TEXT COLLATE "C" NOT NULL, -- path that was approved, or that the other proofs are of, or empty
    replaces   BOOLEAN          NOT NULL, -- approved to supersede what the identity holds
    decided_by TEXT COLLATE "C" NOT NULL,
    decided_at BIGINT           NOT NULL  -- 0: not yet
);
CREATE UNIQUE INDEX requests_spki ON requests (spki);
CREATE INDEX requests_created ON requests (created_at, id);
CREATE INDEX requests_network ON requests (network, expires_at) WHERE state = 'waiting';
CREATE INDEX requests_role ON requests (role, expires_at) WHERE state = 'waiting';
CREATE INDEX requests_identity ON requests (identity) WHERE state IN ('waiting', 'approved');
CREATE INDEX requests_end ON requests (expires_at, id);

-- Attestation keys that a TPM has shown to be its own.
CREATE TABLE attestations (
    ak         BYTEA            PRIMARY KEY, -- SHA-256 of the SubjectPublicKeyInfo
    ek         BYTEA            NOT NULL,    -- SHA-256 of the endorsement key's
    role       TEXT COLLATE "C" NOT NULL,
    identity   TEXT COLLATE "C" NOT NULL,
    created_at BIGINT           NOT NULL,
    expires_at BIGINT           NOT NULL
);
CREATE INDEX attestations_ek ON attestations (ek, ak);
CREATE INDEX attestations_identity ON attestations (identity, ak);
CREATE INDEX attestations_end ON attestations (expires_at, ak);

-- What the last count of the living found: who has a certificate, until when, and who is in
-- doubt. A crash may lose it; it is counted again.
CREATE TABLE life (
    role       TEXT COLLATE "C" NOT NULL,
    site       TEXT COLLATE "C" NOT NULL,
    counted_at BIGINT           NOT NULL,
    active     BIGINT           NOT NULL,
    stale      BIGINT           NOT NULL,
    ownerless  BIGINT           NOT NULL,
    dormant    BIGINT           NOT NULL,
    first      TEXT COLLATE "C" NOT NULL, -- path of who falls first
    first_at   BIGINT           NOT NULL, -- and when: 0: there is none
    ends       BYTEA            NOT NULL, -- how many certificates end when
    PRIMARY KEY (role, site)
);
