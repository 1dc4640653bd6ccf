package store

import "errors"

// What an unmet demand or a read can mean. They come back wrapped or bare;
// compare them with errors.Is.
var (
	// ErrNotFound means that no such record exists.
	ErrNotFound = errors.New("store: not found")

	// ErrExists means that the record is there already.
	ErrExists = errors.New("store: exists already")

	// ErrSpent means that a token, an order or a nonce is unknown, used up, out of
	// time, or worth nothing because what it rests on is revoked.
	ErrSpent = errors.New("store: spent, revoked or out of time")

	// ErrStale means that the world is no longer as it was when the caller
	// decided: the identity's state or revision, the policy's version, or the
	// presented certificate has changed.
	ErrStale = errors.New("store: decided on a state that has changed")

	// ErrKeyTaken means that the public key belongs to another identity or to an
	// account, or was used before where it had to be new.
	ErrKeyTaken = errors.New("store: public key is taken")

	// ErrQueueFull means that as many requests wait as may, or that the key has one
	// already.
	ErrQueueFull = errors.New("store: too many requests wait for approval")

	// ErrNameTaken means that a DNS name or address is reserved to another
	// identity.
	ErrNameTaken = errors.New("store: name is taken")

	// ErrForked means that the parent's child is not the expected one: somebody
	// else has renewed the same certificate.
	ErrForked = errors.New("store: certificate has another child")

	// ErrNoStore means that there is no store where one has to be.
	ErrNoStore = errors.New("put back what belongs there, or run betonicad restore: only betonicad init makes a new one")

	// ErrDiskFull means that the disk, or the quota, is full. Nothing of the call
	// was written.
	ErrDiskFull = errors.New("store: disk full")

	// ErrBadCursor means that a [Page] continues a list that this store never
	// gave out.
	ErrBadCursor = errors.New("store: malformed cursor")

	// ErrUnknown means that the connection broke once a COMMIT was sent, and that the
	// database did not come back in time to be asked what became of it: the call
	// may have been recorded. Callers treat it as a failure; what they repeat is
	// refused if the first one did take place.
	ErrUnknown = errors.New("store: outcome unknown, the database went away during commit")

	// ErrClosed means that the store was closed before the call began.
	ErrClosed = errors.New("store: closed")

	// ErrNewerSchema means that a newer program has changed the database in a way that
	// this one cannot work with.
	ErrNewerSchema = errors.New("store: database is newer than this program")

	// ErrOlderReplica means that a migration, or a new wrapping key, would end what a
	// replica of an older program, which is still there, can do.
	ErrOlderReplica = errors.New("store: a replica of an older program is still there")
)
