package audit

// A KeyID names a data key; random, so that replicas need not agree.
type KeyID [8]byte

// A DataKey seals entries. It is kept wrapped, in the database; destroying the
// wrapped key makes its entries unreadable for good and leaves the log
// verifiable.
type DataKey struct {
	ID     KeyID
	secret [32]byte
}

// NewDataKey returns a new random data key.
func NewDataKey() DataKey { panic("not yet") }

// Wrap encrypts a data key for the database. The result opens only under the
// same Keys and as the same id.
func (k *Keys) Wrap(d DataKey) []byte { panic("not yet") }

// Unwrap returns the data key that Wrap encrypted, or an error if wrapped was
// changed, is of another id, or is of another log.
func (k *Keys) Unwrap(id KeyID, wrapped []byte) (DataKey, error) { panic("not yet") }
