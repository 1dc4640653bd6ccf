package dicom

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A pduType is the first byte of a protocol data unit (PS3.8, Section 9.3).
type pduType byte

const (
	typeAssociateRQ pduType = 0x01
	typeAssociateAC pduType = 0x02
	typeAssociateRJ pduType = 0x03
	typeData        pduType = 0x04
	typeReleaseRQ   pduType = 0x05
	typeReleaseRP   pduType = 0x06
	typeAbort       pduType = 0x07
)

const (
	headerLength = 6 // of every PDU: type, reserved, length of what follows

	// maxAssociate is the longest A-ASSOCIATE-RQ or -AC that is read, in bytes. 128
	// contexts with 24 transfer syntaxes each, more than any toolkit proposes, take
	// 100 KiB; and it is what a caller can make the guard hold.
	maxAssociate = 128 << 10
)

// A header begins a PDU.
type header struct {
	Type   pduType
	Length uint32 // of the PDU without its header
}

// readHeader reads the next PDU's header. It returns io.EOF only between PDUs.
func readHeader(r io.Reader) (header, error) {
	var b [headerLength]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return header{}, err
	}
	h := header{pduType(b[0]), binary.BigEndian.Uint32(b[2:])}
	return h, h.check()
}

// check refuses types that PS3.8 does not have, and lengths that the type cannot have;
// of P-DATA-TF, whose bound was negotiated, it says nothing.
func (h header) check() error {
	switch h.Type {
	case typeAssociateRQ, typeAssociateAC:
		if h.Length > maxAssociate {
			return &faultError{abort: abortInvalidValue, reject: rejectLimit, text: fmt.Sprintf("association of %d bytes is longer than %d", h.Length, maxAssociate)}
		}
	case typeAssociateRJ, typeReleaseRQ, typeReleaseRP, typeAbort:
		if h.Length != 4 {
			return malformed("PDU of type %#02x has %d bytes instead of 4", byte(h.Type), h.Length)
		}
	case typeData:
	default:
		return &faultError{abort: abortUnrecognized, reject: rejectNoReason, text: fmt.Sprintf("PDU type %#02x", byte(h.Type))}
	}
	return nil
}

// body reads what follows the header of any PDU but P-DATA-TF, whose length was checked.
// Its memory grows with what comes, not with what was announced.
func (h header) body(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(h.Length)))
	if err == nil && len(b) != int(h.Length) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// frame puts a header before a body.
func frame(t pduType, body []byte) []byte {
	b := make([]byte, headerLength, headerLength+len(body))
	b[0] = byte(t)
	binary.BigEndian.PutUint32(b[2:], uint32(len(body)))
	return append(b, body...)
}
