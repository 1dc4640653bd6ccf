-- expand: whose a TPM is that identities are bound to, for PostgreSQL. Programs of before do without.

CREATE INDEX identities_ek ON identities (ek) WHERE ek IS NOT NULL;
