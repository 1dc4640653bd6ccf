package dicom

import (
	"encoding/binary"
	"slices"
)

// minPDU is the smallest maximum length of P-DATA-TF that a receiver may announce, in
// bytes. PS3.8 has no such bound; toolkits want 4 KiB.
const minPDU = 128

// A user is the user information of an association: what both ends negotiate beyond
// the contexts. It goes through as it is, the user's name and password too (PS3.7,
// Annex D.3.3.7): they are between the caller and the application.
type user struct {
	MaxLength uint32 // of the P-DATA-TF that the sender of this receives, in bytes; 0: any
	parts     []part // in the order of the PDU
}

// A part is one sub-item.
type part struct {
	Type  itemType
	Class string // SOP class that it is about; "" of most types
	Value []byte
}

func parseUser(t pduType, b []byte) (user, error) {
	items, err := parseItems(b)
	if err != nil {
		return user{}, err
	}
	var u user
	for _, i := range items {
		p := part{Type: i.Type, Value: i.Value}
		switch i.Type {
		case itemMaxLength:
			if len(i.Value) != 4 {
				return user{}, malformed("maximum length of %d bytes", len(i.Value))
			}
			if u.MaxLength = binary.BigEndian.Uint32(i.Value); u.MaxLength != 0 && u.MaxLength < minPDU {
				return user{}, malformed("maximum length %d is too small", u.MaxLength)
			}
		case itemRole, itemExtended, itemExtendedCommon:
			p.Class, err = i.class()
		case itemImplementation:
			_, err = parseUID(i.Value)
		case itemAsynchronous:
			if len(i.Value) != 4 {
				err = malformed("asynchronous operations window of %d bytes", len(i.Value))
			}
		case itemVersionName:
			if len(i.Value) == 0 { // some send it so
				continue
			}
			_, err = parseAE(i.Value) // the same characters, and as many
		case itemUserIdentityRQ, itemUserIdentityAC:
			err = i.checkIdentity(t == typeAssociateRQ)
		default:
			continue
		}
		if err != nil {
			return user{}, err
		}
		if slices.ContainsFunc(u.parts, func(q part) bool { return q.Type == p.Type && q.Class == p.Class }) {
			return user{}, malformed("user item %#02x is there twice", byte(p.Type))
		}
		u.parts = append(u.parts, p)
	}
	return u, nil
}

// class returns the SOP class that an item begins with, and checks that the rest has
// the length that it must have.
func (i item) class() (string, error) {
	if len(i.Value) < 2 {
		return "", malformed("user item %#02x of %d bytes", byte(i.Type), len(i.Value))
	}
	n, rest := int(binary.BigEndian.Uint16(i.Value)), i.Value[2:]
	if n > len(rest) {
		return "", malformed("user item %#02x names a SOP class of %d bytes where %d are left", byte(i.Type), n, len(rest))
	}
	if i.Type == itemRole && (len(rest)-n != 2 || rest[n] > 1 || rest[n+1] > 1) {
		return "", malformed("role selection of %.8x", rest[n:])
	}
	return parseUID(rest[:n])
}

// checkIdentity checks the lengths within a user identity item (PS3.7, Tables D.3-14
// and D.3-15), whose fields it does not look at.
func (i item) checkIdentity(request bool) error {
	b, fields := i.Value, 1
	if (i.Type == itemUserIdentityRQ) != request {
		return malformed("user item %#02x in the other PDU", byte(i.Type))
	}
	if request {
		if len(b) < 2 {
			return malformed("user identity of %d bytes", len(b))
		}
		b, fields = b[2:], 2
	}
	for range fields {
		if len(b) < 2 || int(binary.BigEndian.Uint16(b)) > len(b)-2 {
			return malformed("user identity that does not fit its item")
		}
		b = b[2+binary.BigEndian.Uint16(b):]
	}
	if len(b) > 0 {
		return malformed("%d bytes after the user identity", len(b))
	}
	return nil
}

// without returns the user information without what is about SOP classes that keep
// does not name.
func (u user) without(keep func(class string) bool) user {
	u.parts = slices.DeleteFunc(slices.Clone(u.parts), func(p part) bool { return p.Class != "" && !keep(p.Class) })
	return u
}

func (u *user) bytes() []byte {
	var b []byte
	for _, p := range u.parts {
		b = appendItem(b, p.Type, p.Value)
	}
	return b
}
