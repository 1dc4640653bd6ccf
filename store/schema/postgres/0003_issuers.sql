-- contract: several issuers, for PostgreSQL: which one a certificate and its revocation
-- belong to.

CREATE TABLE issuers (
    id     BIGINT           PRIMARY KEY, -- 1 is the first that there was
    key_id TEXT COLLATE "C" NOT NULL     -- subject key identifier, in hex
);
CREATE UNIQUE INDEX issuers_key ON issuers (key_id);

-- What is on record has one issuer. Its key identifier stands in each certificate,
-- after the head of the extension (RFC 5280, Section 4.2.1.1).
INSERT INTO issuers (id, key_id)
SELECT 1, encode(substr(c.der, position('\x301f0603551d23041830168014'::bytea IN c.der) + 13, 20), 'hex')
FROM certificates c
WHERE position('\x301f0603551d23041830168014'::bytea IN c.der) > 0
ORDER BY c.serial LIMIT 1;

ALTER TABLE certificates ADD COLUMN issuer BIGINT NOT NULL DEFAULT 1;
ALTER TABLE revocations ADD COLUMN issuer BIGINT NOT NULL DEFAULT 1;

-- With the issuer at its end, live certificates are counted in the index alone.
DROP INDEX certificates_end;
CREATE INDEX certificates_end ON certificates (not_after, serial, issuer);
CREATE INDEX revocations_issuer ON revocations (issuer, number, serial);
