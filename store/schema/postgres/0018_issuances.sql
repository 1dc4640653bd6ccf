-- expand: the times of issuances in the log, for PostgreSQL. Programs of before do without.

CREATE INDEX IF NOT EXISTS audit_issue ON audit (at, seq) WHERE action = 'certificate.issue';
