package alert

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// magic begins a snapshot, and names its version: what a table's rows are is part of it.
const magic = "betonica alert state 1\n"

// maxSnapshot bounds a snapshot, in bytes: no engine makes a longer one.
const maxSnapshot = 128 << 20

// A head is what of an engine is not in tables.
type head struct {
	Salt    []byte               `json:"salt"`
	Now     time.Time            `json:"now"`
	LastID  int64                `json:"last_id"`
	Windows map[string]time.Time `json:"windows,omitempty"`
	Origins map[uint64]string    `json:"origins,omitempty"`
	Alerts  []*Alert             `json:"alerts,omitempty"`
	Held    []pending            `json:"held,omitempty"`
}

// A saver is a table, whatever it holds.
type saver interface {
	append([]byte) []byte
	read([]byte) ([]byte, bool)
}

// tables lists what is saved, in order.
func (e *Engine) tables() []saver {
	return []saver{e.marks, e.crowds, e.revoked, e.sources, e.groups, e.distinct, e.proposals, e.habits}
}

// Snapshot returns all that the engine knows, its open alerts too, for [Restore]. It is as
// long as what is known: some 500 bytes for each machine. It takes part of a second at
// 100,000 of them. It is as secret as the log: it says who was where.
func (e *Engine) Snapshot() []byte {
	h, _ := json.Marshal(head{ // there is no error: no value in it is without a form in JSON
		e.salt[:], e.now, e.lastID, e.windows, e.names, e.book.all(), e.held,
	})
	b := make([]byte, 0, len(h)+int(e.habits.n)*e.habits.size()+1<<20)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h)))
	b = append(b, h...)
	for _, t := range e.tables() {
		b = t.append(b)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

var errDamaged = errors.New("it is damaged")

// Restore returns the engine that a snapshot was made of. One that cannot be read, or is of
// another version, gives a new engine that learns from the beginning, and an error that says
// so: the engine is good in any case. With less memory than it was made by, the machines that
// were silent for longest are forgotten.
func Restore(c Config, b []byte) (*Engine, error) {
	e := New(c)
	if err := e.restore(b); err != nil {
		return New(c), fmt.Errorf("alert: the saved state is of no use, and baselines are learned anew: %w", err)
	}
	e.stats, e.habits.evicted = Stats{}, 0
	return e, nil
}

func (e *Engine) restore(b []byte) error {
	body := len(b) - sha256.Size
	switch {
	case len(b) > maxSnapshot, body < len(magic)+4:
		return errDamaged
	case !bytes.HasPrefix(b, []byte(magic)):
		return errors.New("it is of another version")
	}
	if sum := sha256.Sum256(b[:body]); !bytes.Equal(sum[:], b[body:]) {
		return errDamaged
	}
	b = b[len(magic):body]
	n := int(binary.LittleEndian.Uint32(b))
	if b = b[4:]; n > len(b) {
		return errDamaged
	}
	var h head
	if err := json.Unmarshal(b[:n], &h); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err := e.take(h); err != nil {
		return err
	}
	b = b[n:]
	for _, t := range e.tables() {
		var ok bool
		if b, ok = t.read(b); !ok {
			return errDamaged
		}
	}
	if len(b) > 0 {
		return errDamaged
	}
	return nil
}

// take puts a head back, and refuses what no engine has written.
func (e *Engine) take(h head) error {
	if len(h.Salt) != len(e.salt) || len(h.Alerts) > 2*maxOpen || len(h.Held) > maxHeld || len(h.Origins) > maxOrigins || len(h.Windows) > maxWindows+1 || h.LastID < 0 {
		return errDamaged
	}
	copy(e.salt[:], h.Salt)
	e.now, e.lastID = h.Now, h.LastID
	for site, until := range h.Windows {
		e.windows[site] = until
	}
	for key, name := range h.Origins {
		e.names[key] = name
	}
	for _, a := range h.Alerts {
		if a == nil || a.State == Resolved || a.ID > h.LastID || len(a.Entries) > maxEntries || len(a.Subjects) > maxSubjects {
			return errDamaged
		}
		if e.byID[a.Rule] != nil { // a rule may have been taken out
			e.book.add(a)
		}
	}
	for _, p := range h.Held {
		if e.byID[p.Rule] != nil {
			e.held = append(e.held, p)
		}
	}
	return nil
}
