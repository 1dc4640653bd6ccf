package dicom

import (
	"encoding/binary"
	"io"
	"sync"
)

const (
	pdvHeader = 6 // bytes: length, context, message control header

	// maxFragment is the most of one presentation data value that is held at a time, in
	// bytes; longer ones are passed on in several.
	maxFragment = 32 << 10
)

// A fragment is a piece of a message: of its command set, or of the data set after it
// (PS3.8, Annex E).
type fragment struct {
	Context byte
	Command bool
	Last    bool   // of the command set or of the data set
	Data    []byte // until the next one is read
}

// A fragments reads the fragments of a stream of P-DATA-TF, in a bounded memory
// however long the values are.
type fragments struct {
	r     io.Reader
	limit uint32 // longest P-DATA-TF that the receiver takes, without its header; 0: any
	pdu   uint32 // bytes left of the PDU
	value uint32 // bytes left of the presentation data value
	at    fragment
	buf   *[maxFragment]byte // borrowed while a P-DATA-TF is read
}

// buffers holds what waits for no data: an idle association has none.
var buffers = sync.Pool{New: func() any { return new([maxFragment]byte) }}

// giveBack ends the use of the last fragment's data.
func (f *fragments) giveBack() {
	if f.buf != nil {
		buffers.Put(f.buf)
		f.buf = nil
	}
}

// next returns the next fragment, or, between two P-DATA-TF, the header of a PDU of
// another type.
func (f *fragments) next() (fragment, header, error) {
	if f.value == 0 {
		if f.pdu == 0 {
			f.giveBack()
			h, err := readHeader(f.r)
			if err != nil || h.Type != typeData {
				return fragment{}, h, err
			}
			if err := f.begin(h); err != nil {
				return fragment{}, header{}, err
			}
		}
		if err := f.beginValue(); err != nil {
			return fragment{}, header{}, err
		}
	}
	n := min(f.value, maxFragment)
	if f.buf == nil {
		f.buf = buffers.Get().(*[maxFragment]byte)
	}
	if _, err := io.ReadFull(f.r, f.buf[:n]); err != nil {
		return fragment{}, header{}, cutShort(err)
	}
	f.value -= n
	part := f.at
	part.Last = part.Last && f.value == 0
	part.Data = f.buf[:n:n]
	return part, header{Type: typeData}, nil
}

func (f *fragments) begin(h header) error {
	if h.Length < pdvHeader {
		return malformed("P-DATA-TF of %d bytes", h.Length)
	}
	if f.limit != 0 && h.Length > f.limit {
		return malformed("P-DATA-TF of %d bytes, where the receiver takes %d", h.Length, f.limit)
	}
	f.pdu = h.Length
	return nil
}

// beginValue reads the header of a presentation data value (PS3.8, Section 9.3.5.1).
func (f *fragments) beginValue() error {
	if f.pdu < pdvHeader {
		return malformed("%d bytes after the last presentation data value", f.pdu)
	}
	var b [pdvHeader]byte
	if _, err := io.ReadFull(f.r, b[:]); err != nil {
		return cutShort(err)
	}
	n, control := binary.BigEndian.Uint32(b[:]), b[5]
	if n < 2 || n > f.pdu-4 {
		return malformed("presentation data value of %d bytes where %d are left", n, f.pdu-4)
	}
	if control > 3 {
		return malformed("message control header %#02x", control)
	}
	f.at = fragment{Context: b[4], Command: control&1 != 0, Last: control&2 != 0}
	f.pdu -= 4 + n
	f.value = n - 2
	if f.value == 0 && !f.at.Last {
		return malformed("empty presentation data value that is not the last")
	}
	return nil
}

// cutShort says that what ended had more to come.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendPDU writes the fragment as a P-DATA-TF of its own.
func (f fragment) appendPDU(b []byte) []byte {
	n := len(f.Data) + pdvHeader
	b = append(b, byte(typeData), 0)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = binary.BigEndian.AppendUint32(b, uint32(n-4))
	var control byte
	if f.Command {
		control |= 1
	}
	if f.Last {
		control |= 2
	}
	return append(append(b, f.Context, control), f.Data...)
}

// split cuts a command set into fragments for a receiver of such P-DATA-TF.
func (f fragment) split(limit uint32) []fragment {
	most := maxFragment
	if limit != 0 {
		most = min(most, int(min(limit, maxFragment))-pdvHeader)
	}
	var all []fragment
	for rest := f.Data; ; {
		n := min(len(rest), most)
		part := f
		part.Data, part.Last = rest[:n:n], f.Last && n == len(rest)
		all = append(all, part)
		if rest = rest[n:]; len(rest) == 0 {
			return all
		}
	}
}
