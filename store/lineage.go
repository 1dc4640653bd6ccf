package store

const (
	recordChild = `
		INSERT INTO lineage (parent, child, forked) VALUES ($1, $2, FALSE)
		ON CONFLICT (parent) DO NOTHING`

	confirm = `
		INSERT INTO confirmations (serial, at) VALUES ($1, $2)
		ON CONFLICT (serial) DO NOTHING`
)

// RecordChild demands that the parent's child is still the one that the caller
// saw, nil for none, and makes it child. A second child marks the parent as
// forked, for good. The error is [ErrForked]: of any number of callers with the
// same expectation, one succeeds.
func (t *Tx) RecordChild(parent, child Serial, expect *Serial) {
	if expect == nil {
		t.demand(1, ErrForked, recordChild, parent[:], child[:])
		return
	}
	t.demand(1, ErrForked, `
		UPDATE lineage SET child = $1, forked = TRUE WHERE parent = $2 AND child = $3`,
		child[:], parent[:], expect[:])
}

// Confirm records that the certificate is in use by its holder. The first time
// counts.
func (t *RelaxedTx) Confirm(serial Serial) {
	t.demand(anyRows, nil, confirm, serial[:], t.millis())
}
