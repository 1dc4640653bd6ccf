package main_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A messenger speaks a protocol of messages as far as it takes for a connection that
// stays: one question and its answer.
type messenger struct {
	scheme           string
	question, answer []byte
	read             func(io.Reader) error
}

var messengers = []messenger{
	{"mllp", []byte("\x0bMSH|^~\\&|PUMP|ICU|EHR|H|20261122||ADT^A01|1|P|2.5\r\x1c\r"), []byte("\x0bMSH|^~\\&|EHR|H|PUMP|ICU|20261122||ACK^A01|1|P|2.5\rMSA|AA|1\r\x1c\r"), readBlock},
	{"dicom", associate(1), associate(2), readPDU},
}

// readBlock reads a block of MLLP, byte after byte: it is short.
func readBlock(r io.Reader) error {
	var last [2]byte
	for last != [2]byte{0x1c, '\r'} {
		last[0] = last[1]
		if _, err := io.ReadFull(r, last[1:]); err != nil {
			return err
		}
	}
	return nil
}

// readPDU reads a PDU of DICOM (PS3.8, Section 9.3.1).
func readPDU(r io.Reader) error {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	if head[0] > 2 {
		return errors.New("not associated")
	}
	_, err := io.CopyN(io.Discard, r, int64(binary.BigEndian.Uint32(head[2:])))
	return err
}

// associate is an A-ASSOCIATE-RQ (1) or -AC (2) of the verification service.
func associate(kind byte) []byte {
	item := func(kind byte, content ...[]byte) []byte {
		all := bytes.Join(content, nil)
		return append(binary.BigEndian.AppendUint16([]byte{kind, 0}, uint16(len(all))), all...)
	}
	title := func(s string) []byte { return []byte(s + strings.Repeat(" ", 16-len(s))) }
	transfer := item(0x40, []byte("1.2.840.10008.1.2"))
	context := item(0x20, []byte{1, 0, 0, 0}, item(0x30, []byte("1.2.840.10008.1.1")), transfer)
	if kind == 2 {
		context = item(0x21, []byte{1, 0, 0, 0}, transfer)
	}
	body := bytes.Join([][]byte{
		{0, 1, 0, 0}, title("ARCHIVE"), title("PUMP"), make([]byte, 32), item(0x10, []byte("1.2.840.10008.3.1.1.1")), context,
		item(0x50, item(0x51, []byte{0, 0, 0x40, 0}), item(0x52, []byte("1.2.3"))),
	}, nil)
	return append(binary.BigEndian.AppendUint32([]byte{kind, 0}, uint32(len(body))), body...)
}

// serve answers whoever asks, and keeps the connections until the test ends.
func (m messenger) serve(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for m.read(c) == nil {
					c.Write(m.answer)
				}
			}()
		}
	}()
	return m.scheme + "://" + l.Addr().String()
}

// BenchmarkGuardIdleMessages is what a guard holds before a receiver of HL7, and before an
// archive of images, while 10,000 callers, or as many as files may be open, are connected
// by TLS, have had one answer, and ask for nothing more. Each has a connection to the
// application, too.
func BenchmarkGuardIdleMessages(b *testing.B) {
	var limit syscall.Rlimit
	require.NoError(b, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for _, m := range messengers {
		b.Run(m.scheme, func(b *testing.B) {
			w := newWard(b)
			callers := min(10_000, int(limit.Max-1000)/2)
			g := w.before(w.enrol("service", "web"), m.serve(b), "--max-connections", strconv.Itoa(callers), "--max-per-address", strconv.Itoa(callers), "--lazy-records", "--idle", "never")
			conf := w.as(w.enrol("device", "pump"))
			conf.NextProtos = nil
			conf.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			g.holdsIdle(b, callers, func() (io.Closer, error) { return m.open(g.address(), conf) })
		})
	}
}

// open connects, asks, and has the answer.
func (m messenger) open(address string, conf *tls.Config) (net.Conn, error) {
	c, err := tls.Dial("tcp", address, conf)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(m.question); err != nil {
		return c, err
	}
	return c, m.read(c)
}
