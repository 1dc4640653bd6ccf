package syslog

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/store/audit/atna"
)

// Bounds of what is on its way.
const (
	chunkSize = 256 << 10 // bytes that are written at once
	tailSize  = 8 << 20   // bytes that are sent again on a new connection
)

// times are what a sink waits for.
type times struct {
	handshake time.Duration // TCP and TLS
	probation time.Duration // of a new connection, before the first record
	quiet     time.Duration // after the last byte was acknowledged
	patience  time.Duration // with a receiver that takes nothing
}

var usual = times{handshake: 15 * time.Second, probation: time.Second, quiet: 200 * time.Millisecond, patience: time.Minute}

// Config says where records go, and how.
type Config struct {
	// Address is host:port of the repository. The port that RFC 5425 has is 6514.
	Address string
	// TLS is how it is known, and what it is shown. IHE ITI-19 wants certificates of both.
	TLS wire.TLS
	// Format is what frames hold. Empty: [atna.DICOM].
	Format atna.Format
	// Sender is who we are, in the headers.
	Sender atna.Sender
}

// A Sink sends to one repository, over one connection. It holds at most some 9 MiB, and a
// batch. One goroutine may use it.
type Sink struct {
	Config
	host  string
	times times
	link  *link    // nil: there is none
	tail  [][]byte // frames that were taken last, oldest first
	kept  int      // bytes in it
}

var _ deliver.Sink = (*Sink)(nil)

// New returns a sink. It connects when there is something to send; an error says that the
// configuration is none.
func New(c Config) (*Sink, error) {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("%q is not the host:port of a syslog receiver", c.Address)
	}
	switch c.Format {
	case "":
		c.Format = atna.DICOM
	case atna.DICOM, atna.JSON:
	default:
		return nil, fmt.Errorf("format %q of syslog messages is neither %q nor %q", c.Format, atna.DICOM, atna.JSON)
	}
	return &Sink{Config: c, host: host, times: usual}, nil
}

// Send writes the batch, and returns its length when all of it is taken, as the package
// documentation says; otherwise 0, and why. No record is ever refused for good.
func (s *Sink) Send(ctx context.Context, batch []deliver.Record) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	if err := s.connect(ctx); err != nil {
		return 0, fmt.Errorf("sending to %s: %w", s.Address, err)
	}
	chunks, err := s.write(ctx, batch)
	if err == nil {
		err = s.link.settle(ctx, s.times)
	}
	if err != nil {
		s.drop()
		return 0, fmt.Errorf("sending to %s: %w", s.Address, err)
	}
	s.keep(chunks)
	return len(batch), nil
}

// Close ends the connection.
func (s *Sink) Close() error {
	s.drop()
	s.tail, s.kept = nil, 0
	return nil
}

// connect sees that there is a connection that works, as far as one can tell. A new one
// begins with what the last one may have lost.
func (s *Sink) connect(ctx context.Context) error {
	if s.link != nil && s.link.err() == nil {
		return nil
	}
	s.drop()
	l, err := dial(ctx, s.Address, s.host, s.TLS, s.times)
	if err != nil {
		return err
	}
	s.link = l
	if err := l.probe(ctx, s.times); err != nil {
		s.drop()
		return err
	}
	for _, chunk := range s.tail {
		if err := l.write(ctx, chunk, s.times.patience); err != nil {
			s.drop()
			return err
		}
	}
	return nil
}

func (s *Sink) drop() {
	if s.link != nil {
		s.link.close()
		s.link = nil
	}
}

// write writes the batch, and returns what was written.
func (s *Sink) write(ctx context.Context, batch []deliver.Record) (chunks [][]byte, err error) {
	var chunk []byte
	for i, r := range batch {
		chunk = atna.Frame(chunk, r.Message().Syslog(s.Sender, s.Format))
		if len(chunk) < chunkSize && i < len(batch)-1 {
			continue
		}
		if err := s.link.write(ctx, chunk, s.times.patience); err != nil {
			return nil, err
		}
		chunks = append(chunks, bytes.Clone(chunk)) // it is kept for long, and the spare room is not
		chunk = chunk[:0]
	}
	return chunks, nil
}

// keep keeps what was taken last.
func (s *Sink) keep(chunks [][]byte) {
	for _, c := range chunks {
		s.tail, s.kept = append(s.tail, c), s.kept+len(c)
	}
	for s.kept-len(s.tail[0]) >= tailSize {
		s.kept -= len(s.tail[0])
		s.tail[0], s.tail = nil, s.tail[1:]
	}
}
