package dicom

import "encoding/binary"

// An itemType is the first byte of an item of an association PDU, or of an item
// within one (PS3.8, Sections 9.3.2, 9.3.3 and Annex D; PS3.7, Annex D.3).
type itemType byte

const (
	itemApplication    itemType = 0x10
	itemContextRQ      itemType = 0x20
	itemContextAC      itemType = 0x21
	itemAbstract       itemType = 0x30
	itemTransfer       itemType = 0x40
	itemUser           itemType = 0x50
	itemMaxLength      itemType = 0x51
	itemImplementation itemType = 0x52
	itemAsynchronous   itemType = 0x53
	itemRole           itemType = 0x54
	itemVersionName    itemType = 0x55
	itemExtended       itemType = 0x56
	itemExtendedCommon itemType = 0x57
	itemUserIdentityRQ itemType = 0x58
	itemUserIdentityAC itemType = 0x59
	itemHeader                  = 4 // bytes: type, reserved, length of what follows
	maxItemValue                = 1<<16 - 1
	maxItems                    = 1024 // of one PDU or user information item
)

// An item is one of the nested parts of an association.
type item struct {
	Type  itemType
	Value []byte // within the PDU that it was read from
}

// parseItems takes items apart to the last byte.
func parseItems(b []byte) ([]item, error) {
	var all []item
	for len(b) > 0 {
		if len(b) < itemHeader {
			return nil, malformed("%d bytes after the last item", len(b))
		}
		kind, n := itemType(b[0]), int(binary.BigEndian.Uint16(b[2:]))
		b = b[itemHeader:]
		if n > len(b) {
			return nil, malformed("item %#02x of %d bytes where %d are left", byte(kind), n, len(b))
		}
		if len(all) == maxItems {
			return nil, &faultError{abort: abortInvalidValue, reject: rejectLimit, text: "too many items"}
		}
		all = append(all, item{kind, b[:n:n]})
		b = b[n:]
	}
	return all, nil
}

// appendItem writes an item. The caller knows its value to fit: it came in one no
// shorter.
func appendItem(b []byte, t itemType, value []byte) []byte {
	b = append(b, byte(t), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}
