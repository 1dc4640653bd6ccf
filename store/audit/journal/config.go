package journal

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// Config says where a journal is and how it is kept.
type Config struct {
	// Dir is its folder, made if it is not there. It belongs to one writer.
	Dir string

	// KeyFile is where the master secret is, or is put: 64 hex digits. Empty: "master"
	// in Dir. Whoever has it reads the journal, and can write another one.
	KeyFile string

	// Identity names the machine in the origin of a new journal:
	// "hospital.example/device/pump-7". It has neither spaces nor plus signs.
	Identity string

	// Certificate returns the machine's certificate and key of now; it certifies the
	// key of the checkpoints, again whenever it is another one. Nil: nobody does, and
	// the CA takes no entries of the journal.
	Certificate func() (*tls.Certificate, error)

	// Lazy lets Append return before the entry is on disk; it is within a second.
	Lazy bool

	// BestEffort lets Append return nil though no entry can be written: the entries
	// are lost, their number is not. Dangerous, and said each minute.
	BestEffort bool

	// MaxBytes bounds all files of leaves together; at it the journal is in trouble.
	// Zero: 8 GiB.
	MaxBytes int64

	// Keep is how long entries stay after the CA has them, unless the journal is three
	// quarters as long as it may be. Zero: 30 days.
	Keep time.Duration

	Log *slog.Logger     // nil: nothing is logged
	Now func() time.Time // nil: time.Now

	segment int64                        // bytes of a file of leaves; zero: 64 MiB
	sync    time.Duration                // the pace; zero: 5 ms
	open    func(string) (leaves, error) // nil: the file itself
}

func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = 8 << 30
	}
	if c.Keep == 0 {
		c.Keep = 30 * 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.segment == 0 {
		c.segment = 64 << 20
	}
	if c.sync == 0 {
		c.sync = 5 * time.Millisecond
	}
	if c.open == nil {
		c.open = openLeaves
	}
	return c
}
