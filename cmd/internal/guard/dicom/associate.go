package dicom

import (
	"encoding/binary"
	"slices"
)

// applicationContext is the only one there is (PS3.7, Annex A).
const applicationContext = "1.2.840.10008.3.1.1.1"

const (
	maxContexts  = 128 // odd numbers of one byte
	maxTransfers = 64  // of one context
)

// An association is what an A-ASSOCIATE-RQ asks for, or an A-ASSOCIATE-AC grants.
type association struct {
	Called, Calling string
	Contexts        []presentation // in the order of the PDU
	User            user
}

// A presentation is a presentation context: a SOP class, and how its data may be written.
type presentation struct {
	ID        byte
	Abstract  string   // SOP class; of a request only
	Result    result   // of an answer only
	Transfers []string // of a request one or more; of an answer the one chosen, or none
}

// A result is what an answer says of a context (PS3.8, Section 9.3.3.2).
type result byte

const (
	accepted      result = 0
	userRejection result = 1
	lastResult    result = 4
)

const fixedLength = 68 // of an association before its items

// parseAssociation reads the body of an A-ASSOCIATE-RQ or -AC. Items of unknown types
// are skipped, as PS3.8, Section 9.3.1 says; whatever else is not as it must be is an
// error.
func parseAssociation(t pduType, b []byte) (*association, error) {
	if len(b) < fixedLength {
		return nil, malformed("association of %d bytes", len(b))
	}
	if binary.BigEndian.Uint16(b)&1 == 0 {
		return nil, &faultError{abort: abortInvalidValue, reject: rejectVersion, text: "protocol version is not 1"}
	}
	var a association
	if t == typeAssociateRQ { // in an answer they are not tested
		var err error
		if a.Called, err = parseAE(b[4:20]); err != nil {
			return nil, err
		}
		if a.Calling, err = parseAE(b[20:36]); err != nil {
			return nil, err
		}
	}
	items, err := parseItems(b[fixedLength:])
	if err != nil {
		return nil, err
	}
	return &a, a.take(t, items)
}

// take sorts the items of an association, each of which must be there as often as
// PS3.8, Table 9-11 and Table 9-17 want it.
func (a *association) take(t pduType, items []item) error {
	var applications, users int
	for _, i := range items {
		var err error
		switch {
		case i.Type == itemApplication:
			applications++
			if name, bad := parseUID(i.Value); bad != nil || name != applicationContext {
				err = &faultError{abort: abortInvalidValue, reject: rejectAppContext, text: "application context is not DICOM's"}
			}
		case i.Type == itemContextRQ && t == typeAssociateRQ, i.Type == itemContextAC && t == typeAssociateAC:
			err = a.takeContext(t, i.Value)
		case i.Type == itemUser:
			users++
			a.User, err = parseUser(t, i.Value)
		}
		if err != nil {
			return err
		}
	}
	if applications != 1 || users != 1 || len(a.Contexts) == 0 {
		return malformed("association with %d application contexts, %d user items and %d presentation contexts", applications, users, len(a.Contexts))
	}
	return nil
}

func (a *association) takeContext(t pduType, b []byte) error {
	if len(b) < 4 {
		return malformed("presentation context of %d bytes", len(b))
	}
	c := presentation{ID: b[0]}
	if t == typeAssociateAC {
		c.Result = result(b[2])
	}
	if c.ID%2 == 0 || c.Result > lastResult || a.context(c.ID) != nil || len(a.Contexts) == maxContexts {
		return malformed("presentation context %d, result %d, after %d others", c.ID, c.Result, len(a.Contexts))
	}
	if err := c.take(t, b[4:]); err != nil {
		return err
	}
	a.Contexts = append(a.Contexts, c)
	return nil
}

func (c *presentation) take(t pduType, b []byte) error {
	items, err := parseItems(b)
	if err != nil {
		return err
	}
	if t == typeAssociateAC && c.Result != accepted {
		return nil // its transfer syntax "is not significant"
	}
	for _, i := range items {
		switch {
		case i.Type == itemAbstract && t == typeAssociateRQ && c.Abstract == "":
			c.Abstract, err = parseUID(i.Value)
		case i.Type == itemTransfer && len(c.Transfers) < maxTransfers:
			var uid string
			uid, err = parseUID(i.Value)
			c.Transfers = append(c.Transfers, uid)
		case i.Type == itemAbstract, i.Type == itemTransfer:
			err = malformed("presentation context %d has too many syntaxes", c.ID)
		}
		if err != nil {
			return err
		}
	}
	if (c.Abstract == "") == (t == typeAssociateRQ) || len(c.Transfers) == 0 || t == typeAssociateAC && len(c.Transfers) != 1 {
		return malformed("presentation context %d with %d transfer syntaxes", c.ID, len(c.Transfers))
	}
	return nil
}

// context returns the presentation context of a number, or nil.
func (a *association) context(id byte) *presentation {
	i := slices.IndexFunc(a.Contexts, func(c presentation) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return &a.Contexts[i]
}

// pdu writes the association. What was reserved, unknown or padded when it was read is
// gone.
func (a *association) pdu(t pduType) []byte {
	b := make([]byte, 4, 1024)
	b[1] = 1
	b = appendAE(appendAE(b, a.Called), a.Calling)
	b = append(b, make([]byte, fixedLength-len(b))...)
	b = appendItem(b, itemApplication, []byte(applicationContext))
	for i := range a.Contexts {
		b = a.Contexts[i].append(b, t)
	}
	return frame(t, appendItem(b, itemUser, a.User.bytes()))
}

func (c *presentation) append(b []byte, t pduType) []byte {
	value, kind := []byte{c.ID, 0, byte(c.Result), 0}, itemContextAC
	if t == typeAssociateRQ {
		kind = itemContextRQ
		value = appendItem(value, itemAbstract, []byte(c.Abstract))
	}
	for _, uid := range c.Transfers {
		value = appendItem(value, itemTransfer, []byte(uid))
	}
	return appendItem(b, kind, value)
}
