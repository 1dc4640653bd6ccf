package audit

import "errors"

// ErrNoKey reports that an entry cannot be opened because its data key is not
// in the keyring: destroyed, or never one of the log's.
var ErrNoKey = errors.New("audit: data key destroyed or unknown")

// A Keyring opens entries. It is immutable and safe for concurrent use.
type Keyring struct {
}

// NewKeyring returns a Keyring of the data keys given.
func NewKeyring(keys ...DataKey) *Keyring { panic("not yet") }

// Open opens the entry in leaf. With [ErrNoKey] comes an Entry that has only
// what is in clear. Any other error means that leaf is not what was sealed.
func (r *Keyring) Open(leaf []byte) (Entry, error) { panic("not yet") }
