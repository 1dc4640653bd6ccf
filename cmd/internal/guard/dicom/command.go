package dicom

import (
	"encoding/binary"
	"fmt"
)

// maxCommand is the longest command set that is read, in bytes. The longest that
// anybody sends, an N-GET with a list of attributes, is a few hundred.
const maxCommand = 16 << 10

// Elements of a command set, all of group 0000 (PS3.7, Annex E.1).
const (
	elementGroupLength       = 0x0000
	elementAffectedClass     = 0x0002
	elementRequestedClass    = 0x0003
	elementField             = 0x0100
	elementID                = 0x0110
	elementRespondedTo       = 0x0120
	elementDestination       = 0x0600
	elementDataSetType       = 0x0800
	elementStatus            = 0x0900
	elementAffectedInstance  = 0x1000
	elementRequestedInstance = 0x1001
)

const (
	noDataSet = 0x0101 // as a data set type; all others mean that one follows

	statusPending        = 0xff00
	statusPendingWarning = 0xff01
	statusNotAuthorized  = 0x0124 // Refused: Not authorized (PS3.7, Annex C.5.17)
)

// A command is what a command set says, as far as a guard needs it.
type command struct {
	Field    field
	ID       uint16 // of the message; of a response and of a C-CANCEL, of what it is about
	Class    string // affected or requested SOP class; of some responses and a C-CANCEL: ""
	Data     bool   // a data set follows
	Status   uint16 // of a response
	To       string // AE title that a C-MOVE has data sent to
	affected bool   // Class is that of elementAffectedClass
	instance []byte // affected SOP instance, for the response; never for a record
}

// parseCommand reads a command set: implicit VR little endian, whatever the transfer
// syntax is (PS3.7, Section 6.3.1). Each element is there once and in ascending order,
// and the lengths add up to the last byte, so that nobody behind can read it otherwise.
func parseCommand(b []byte) (command, error) {
	var c command
	seen := make(map[uint16][]byte, 8)
	last := -1
	for rest := b; len(rest) > 0; {
		if len(rest) < 8 {
			return c, malformed("%d bytes after the last element of a command set", len(rest))
		}
		group, element, n := binary.LittleEndian.Uint16(rest), binary.LittleEndian.Uint16(rest[2:]), binary.LittleEndian.Uint32(rest[4:])
		rest = rest[8:]
		if group != 0 || int(element) <= last || n%2 != 0 || uint64(n) > uint64(len(rest)) {
			return c, malformed("element (%04x,%04x) of %d bytes in a command set where %d are left", group, element, n, len(rest))
		}
		last = int(element)
		seen[element] = rest[:n:n]
		rest = rest[n:]
	}
	length, ok := seen[elementGroupLength]
	if !ok || len(length) != 4 || uint64(binary.LittleEndian.Uint32(length)) != uint64(len(b)-12) {
		return c, malformed("command set of %d bytes has no or another group length", len(b))
	}
	return c, c.take(seen)
}

func (c *command) take(seen map[uint16][]byte) error {
	var bad error
	short := func(element uint16) uint16 {
		v := seen[element]
		if len(v) != 2 {
			bad = malformed("command set with %d bytes in (0000,%04x)", len(v), element)
			return 0
		}
		return binary.LittleEndian.Uint16(v)
	}
	c.Field = field(short(elementField))
	c.Data = short(elementDataSetType) != noDataSet
	if bad == nil && !c.Field.known() {
		bad = malformed("command field %#04x", uint16(c.Field))
	}
	switch {
	case bad != nil:
	case c.Field.response():
		c.ID, c.Status = short(elementRespondedTo), short(elementStatus)
	case c.Field == cancel:
		c.ID = short(elementRespondedTo)
	default:
		c.ID = short(elementID)
	}
	if c.Field == cMove && bad == nil {
		c.To, bad = parseAE(seen[elementDestination])
	}
	if bad != nil {
		return bad
	}
	return c.takeClass(seen)
}

func (c *command) takeClass(seen map[uint16][]byte) error {
	affected, isAffected := seen[elementAffectedClass]
	requested, isRequested := seen[elementRequestedClass]
	class := affected
	if isRequested {
		class = requested
	}
	if isAffected && isRequested || !isAffected && !isRequested && !c.Field.response() && c.Field != cancel {
		return malformed("%s names no SOP class, or two", c.Field)
	}
	if len(class) > 0 || isAffected || isRequested {
		var err error
		if c.Class, err = parseUID(class); err != nil {
			return err
		}
	}
	c.affected = isAffected
	if c.instance = seen[elementAffectedInstance]; len(c.instance) > 0 {
		_, err := parseUID(c.instance)
		return err
	}
	return nil
}

// answer returns the command set of the response to c that says no more than a status.
func (c *command) answer(status uint16) []byte {
	b := make([]byte, 12, 128) // the group's length comes last
	if c.affected {
		b = appendElement(b, elementAffectedClass, evenUID(c.Class))
	}
	b = appendShort(b, elementField, uint16(c.Field|responseBit))
	b = appendShort(b, elementRespondedTo, c.ID)
	b = appendShort(b, elementDataSetType, noDataSet)
	b = appendShort(b, elementStatus, status)
	if len(c.instance) > 0 {
		b = appendElement(b, elementAffectedInstance, c.instance)
	}
	binary.LittleEndian.PutUint32(b[4:], 4)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-12))
	return b
}

func appendElement(b []byte, element uint16, value []byte) []byte {
	b = append(b, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, element)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

func appendShort(b []byte, element, value uint16) []byte {
	return appendElement(b, element, binary.LittleEndian.AppendUint16(nil, value))
}

// evenUID pads a UID as PS3.5, Section 9.1 says.
func evenUID(uid string) []byte {
	if len(uid)%2 != 0 {
		uid += "\x00"
	}
	return []byte(uid)
}

// final reports whether a response is the last one to its request.
func (c *command) final() bool {
	return c.Status != statusPending && c.Status != statusPendingWarning || !c.Field.several()
}

func (c *command) String() string { return fmt.Sprintf("%s %d", c.Field, c.ID) }
