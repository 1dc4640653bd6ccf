-- expand: the times of issuances in the log, for SQLite. Programs of before do without.

CREATE INDEX audit_issue ON audit (at, seq) WHERE action = 'certificate.issue';
