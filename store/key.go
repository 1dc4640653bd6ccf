package store

const (
	takeNewKey = `
		INSERT INTO keys (spki, identity, serial) VALUES ($1, $2, $3)
		ON CONFLICT (spki) DO NOTHING`

	keepKey = `
		INSERT INTO keys (spki, identity, serial) VALUES ($1, $2, $3)
		ON CONFLICT (spki) DO UPDATE SET serial = excluded.serial WHERE keys.identity = excluded.identity`
)

// takeKey demands that the public key is the identity's own or nobody's, or
// nobody's if it must be new, and takes it for ever: the table is never pruned,
// so a key that was used once cannot come back under another name.
func (t *Tx) takeKey(spki [32]byte, identity string, serial Serial, fresh bool) {
	if fresh {
		t.demand(1, ErrKeyTaken, takeNewKey, spki[:], identity, serial[:])
		return
	}
	t.keepKey(spki, identity, serial[:])
}

// takeAccountKey demands that the public key is the account's own or nobody's, and
// takes it for ever. It stands where certified keys do, so that neither can become
// the other (RFC 8555, Section 11.1), whoever comes first.
func (t *Tx) takeAccountKey(spki [32]byte, account AccountID) {
	t.keepKey(spki, "account:"+account.String(), []byte{})
}

func (t *Tx) keepKey(spki [32]byte, holder string, serial []byte) {
	t.demand(1, ErrKeyTaken, keepKey, spki[:], holder, serial)
}
