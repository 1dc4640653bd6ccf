package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	verification = "1.2.840.10008.1.1"
	ctStorage    = "1.2.840.10008.5.1.4.1.1.2"
	implicitLE   = "1.2.840.10008.1.2"
	explicitLE   = "1.2.840.10008.1.2.1"
)

// request is an association as a modality asks for it.
func request(contexts ...presentation) *association {
	return &association{Called: "ARCHIVE", Calling: "CT1", Contexts: contexts, User: user{
		MaxLength: 16384,
		parts: []part{
			{Type: itemMaxLength, Value: []byte{0, 0, 0x40, 0}},
			{Type: itemImplementation, Value: []byte("1.2.3")},
			{Type: itemVersionName, Value: []byte("TEST")},
		},
	}}
}

func echoAndStore() *association {
	return request(
		presentation{ID: 1, Abstract: verification, Transfers: []string{implicitLE}},
		presentation{ID: 3, Abstract: ctStorage, Transfers: []string{explicitLE, implicitLE}},
	)
}

// read reads an association PDU as the gate does.
func read(r io.Reader) (*association, pduType, error) {
	h, err := readHeader(r)
	if err != nil {
		return nil, 0, err
	}
	body, err := h.body(r)
	if err != nil {
		return nil, 0, err
	}
	a, err := parseAssociation(h.Type, body)
	return a, h.Type, err
}

// What is written is read again as it was, a byte at a time too.
func TestAssociation(t *testing.T) {
	asked := echoAndStore()
	asked.User.parts = append(asked.User.parts,
		part{Type: itemAsynchronous, Value: []byte{0, 5, 0, 5}},
		part{Type: itemRole, Class: ctStorage, Value: roleItem(ctStorage, 0, 1)},
		part{Type: itemUserIdentityRQ, Value: []byte("\x02\x01\x00\x05alice\x00\x06secret")},
	)
	got, kind, err := read(iotestOneByte(asked.pdu(typeAssociateRQ)))
	require.NoError(t, err)
	require.Equal(t, typeAssociateRQ, kind)
	require.Equal(t, asked, got)

	granted := &association{Contexts: []presentation{
		{ID: 1, Transfers: []string{implicitLE}}, {ID: 3, Result: userRejection},
	}, User: asked.User.without(func(string) bool { return false })}
	granted.User.parts = granted.User.parts[:4]
	got, _, err = read(bytes.NewReader(granted.pdu(typeAssociateAC)))
	require.NoError(t, err)
	require.Equal(t, granted, got)
}

func roleItem(class string, scu, scp byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(class)))
	return append(append(b, class...), scu, scp)
}

func iotestOneByte(b []byte) io.Reader {
	var all []io.Reader
	for i := range b {
		all = append(all, bytes.NewReader(b[i:i+1]))
	}
	return io.MultiReader(all...)
}

// What some toolkits pad, a reader passes on without.
func TestAssociationPadding(t *testing.T) {
	b := echoAndStore().pdu(typeAssociateRQ)
	copy(b[headerLength+4:], "  ARCHIVE       ")
	got, _, err := read(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, "ARCHIVE", got.Called)
	for _, padded := range []string{"1.2.3\x00", "1.2.3 ", "1.2.3"} {
		uid, err := parseUID([]byte(padded))
		require.NoError(t, err)
		require.Equal(t, "1.2.3", uid)
	}
}

// hostile are associations that nobody may take, by what is wrong with them. They are
// made from a good one, and answered with a rejection.
func hostile() map[string][]byte {
	good := func() []byte { return echoAndStore().pdu(typeAssociateRQ) }
	with := func(change func(a *association)) []byte {
		a := echoAndStore()
		change(a)
		return a.pdu(typeAssociateRQ)
	}
	patched := func(at int, b ...byte) []byte {
		all := good()
		copy(all[headerLength+at:], b)
		return all
	}
	// items puts raw bytes in place of all items.
	items := func(b ...byte) []byte {
		return frame(typeAssociateRQ, append(good()[headerLength:headerLength+fixedLength:headerLength+fixedLength], b...))
	}
	// more puts raw bytes after the items.
	more := func(b ...byte) []byte { return frame(typeAssociateRQ, append(good()[headerLength:], b...)) }
	userPart := func(t itemType, value string) []byte {
		return with(func(a *association) { a.User.parts = append(a.User.parts, part{Type: t, Value: []byte(value)}) })
	}
	all := map[string][]byte{
		"no body":                    frame(typeAssociateRQ, nil),
		"67 bytes":                   frame(typeAssociateRQ, good()[headerLength:headerLength+67]),
		"no items":                   items(),
		"half an item header":        more(0x20, 0, 0),
		"item longer than the rest":  more(0x20, 0, 0, 9, 3, 0, 0, 0),
		"unknown item that lies":     more(0x99, 0, 0, 9, 1, 2, 3),
		"item of 64 KiB":             more(0x50, 0, 0xff, 0xff),
		"context of 3 bytes":         more(0x20, 0, 0, 3, 5, 0, 0),
		"context without syntax":     more(0x20, 0, 0, 4, 5, 0, 0, 0),
		"nested item too long":       more(0x20, 0, 0, 8, 5, 0, 0, 0, 0x30, 0, 0, 1),
		"nested item past its outer": append(more(0x20, 0, 0, 8, 5, 0, 0, 0, 0x30, 0, 0, 200), make([]byte, 200)...),
		"protocol version 2":         patched(0, 0, 2),
		"control character in AE":    patched(20, []byte("CT\n1")...),
		"backslash in AE":            patched(20, []byte(`CT\1`)...),
		"NUL in AE":                  patched(4, []byte("ARCHIVE\x00")...),
		"called AE of spaces":        patched(4, []byte(strings.Repeat(" ", 16))...),
		"even context":               with(func(a *association) { a.Contexts[0].ID = 2 }),
		"context 0":                  with(func(a *association) { a.Contexts[0].ID = 0 }),
		"same context twice":         with(func(a *association) { a.Contexts[1].ID = 1 }),
		"no context":                 with(func(a *association) { a.Contexts = nil }),
		"no transfer syntax":         with(func(a *association) { a.Contexts[0].Transfers = nil }),
		"65 transfer syntaxes": with(func(a *association) {
			for range 64 {
				a.Contexts[0].Transfers = append(a.Contexts[0].Transfers, implicitLE)
			}
		}),
		"SOP class of letters":  with(func(a *association) { a.Contexts[0].Abstract = "1.2.x" }),
		"SOP class of 65":       with(func(a *association) { a.Contexts[0].Abstract = "1." + strings.Repeat("2", 63) }),
		"SOP class with ..":     with(func(a *association) { a.Contexts[0].Abstract = "1..2" }),
		"SOP class ends in dot": with(func(a *association) { a.Contexts[0].Abstract = "1.2." }),
		"empty SOP class":       with(func(a *association) { a.Contexts[0].Abstract = "" }),
		"transfer of newline":   with(func(a *association) { a.Contexts[0].Transfers[0] = "1.2\n" }),
		"two user items":        more(0x50, 0, 0, 0),
		"two app contexts":      more(appendItem(nil, itemApplication, []byte(applicationContext))...),
		"other app context":     more(appendItem(nil, itemApplication, []byte("1.2.3"))...),
		"maximum length of 3":   with(func(a *association) { a.User.parts[0].Value = []byte{0, 0, 1} }),
		"maximum length twice":  userPart(itemMaxLength, "\x00\x00\x40\x00"),
		"maximum length of 16":  with(func(a *association) { a.User.parts[0].Value = []byte{0, 0, 0, 16} }),
		"role of one byte":      userPart(itemRole, "\x00"),
		"role lies":             userPart(itemRole, "\x00\xff1.2\x01\x01"),
		"role without roles":    userPart(itemRole, "\x00\x031.2"),
		"role of 2":             userPart(itemRole, "\x00\x031.2\x02\x00"),
		"extended lies":         userPart(itemExtended, "\x00\x091.2"),
		"common extended empty": userPart(itemExtendedCommon, ""),
		"window of 3":           userPart(itemAsynchronous, "\x00\x01\x00"),
		"identity lies":         userPart(itemUserIdentityRQ, "\x02\x00\xff\xffalice"),
		"identity has a tail":   userPart(itemUserIdentityRQ, "\x01\x00\x00\x01a\x00\x00x"),
		"identity of an answer": userPart(itemUserIdentityAC, "\x00\x00"),
		"odd implementation":    with(func(a *association) { a.User.parts[1].Value = []byte("<x>") }),
		"version name of 17":    with(func(a *association) { a.User.parts[2].Value = []byte(strings.Repeat("x", 17)) }),
		"2,000 items":           more(bytes.Repeat([]byte{0x99, 0, 0, 0}, 2000)...),
		"longer than the bound": {1, 0, 0, 2, 0, 1},
		"lying length":          append([]byte{1, 0, 0x7f, 0xff, 0xff, 0xff}, good()[headerLength:]...),
	}
	return all
}

// Whatever is malformed is a fault with an answer, and never an association.
func TestAssociationMalformed(t *testing.T) {
	for name, b := range hostile() {
		_, _, err := read(bytes.NewReader(b))
		fault := asFault(err)
		require.NotNil(t, fault, "%s: %v", name, err)
		require.NotZero(t, fault.reject, name)
		require.Less(t, len(fault.text), 200, name)
	}
}

// What ends too early is an end, and costs no more memory than came.
func TestAssociationCutShort(t *testing.T) {
	b := echoAndStore().pdu(typeAssociateRQ)
	for n := range b {
		_, _, err := read(bytes.NewReader(b[:n]))
		require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "%d bytes: %v", n, err)
	}
	announced := []byte{1, 0, 0, 2, 0, 0, 0, 1}
	require.Less(t, testing.AllocsPerRun(10, func() { read(bytes.NewReader(announced)) }), 20.0)
}
