-- expand: whose a TPM is that identities are bound to, for SQLite. Programs of before do without.

CREATE INDEX identities_ek ON identities (ek) WHERE ek IS NOT NULL;
