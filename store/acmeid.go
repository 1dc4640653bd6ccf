package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// An AccountID is how an ACME account is known. It is no secret, but nobody can
// guess it. It begins with the time of its making, as the other ids of ACME do, so
// that the tables and their indexes grow at one end.
type AccountID [16]byte

// An OrderID is how an order is known.
type OrderID [16]byte

// An AuthorizationID is how an authorization is known.
type AuthorizationID [16]byte

// NewAccountID returns an id that nobody else has.
func NewAccountID() AccountID { return AccountID(newID()) }

// NewOrderID returns an id that nobody else has.
func NewOrderID() OrderID { return OrderID(newID()) }

// NewAuthorizationID returns an id that nobody else has.
func NewAuthorizationID() AuthorizationID { return AuthorizationID(newID()) }

// ParseAccountID reads the 32 hex digits that [AccountID.String] writes, and no
// other spelling.
func ParseAccountID(s string) (AccountID, error) {
	id, err := parseID(s)
	if err != nil {
		return AccountID{}, fmt.Errorf("account id %w", err)
	}
	return AccountID(id), nil
}

// ParseOrderID reads the 32 hex digits that [OrderID.String] writes, and no other
// spelling.
func ParseOrderID(s string) (OrderID, error) {
	id, err := parseID(s)
	if err != nil {
		return OrderID{}, fmt.Errorf("order id %w", err)
	}
	return OrderID(id), nil
}

// ParseAuthorizationID reads the 32 hex digits that [AuthorizationID.String]
// writes, and no other spelling.
func ParseAuthorizationID(s string) (AuthorizationID, error) {
	id, err := parseID(s)
	if err != nil {
		return AuthorizationID{}, fmt.Errorf("authorization id %w", err)
	}
	return AuthorizationID(id), nil
}

// String returns the id as 32 lower-case hex digits.
func (id AccountID) String() string { return hex.EncodeToString(id[:]) }

// String returns the id as 32 lower-case hex digits.
func (id OrderID) String() string { return hex.EncodeToString(id[:]) }

// String returns the id as 32 lower-case hex digits.
func (id AuthorizationID) String() string { return hex.EncodeToString(id[:]) }

// newID returns 48 bits of Unix milliseconds, then 80 random bits, as the serials
// of certificates are made.
func newID() (id [16]byte) {
	rand.Read(id[:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli()))
	copy(id[:6], ms[2:])
	return id
}

func parseID(s string) (id [16]byte, err error) {
	if len(s) == hex.EncodedLen(len(id)) {
		if _, err := hex.Decode(id[:], []byte(s)); err == nil && hex.EncodeToString(id[:]) == s {
			return id, nil
		}
	}
	return [16]byte{}, fmt.Errorf("%.64q: want 32 lower-case hex digits", s)
}
