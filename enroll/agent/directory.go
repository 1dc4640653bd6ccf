package agent

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/betonica/betonica/enroll/client"
)

const (
	currentLink = "current"
	nextDir     = "next"
	logDir      = "log"

	keepGenerations = 2
)

// directory is what Config.Dir names. Whoever calls a method holds its lock.
type directory struct {
	path string
	keys Keys // nil: those in chips stay closed
	disk disk
}

func (d directory) at(name ...string) string {
	return filepath.Join(append([]string{d.path}, name...)...)
}

// recover finishes what an interrupted step began, and returns the credential
// that the directory holds then. The error wraps [ErrNotEnrolled] if none.
func (d directory) recover() (*Credential, error) {
	// A whole next lacks only its number.
	if _, err := readCredential(d.at(nextDir), d.keys); err == nil {
		return d.promote()
	}
	current, err := d.load()
	numbers, listErr := d.generations()
	if listErr != nil {
		return nil, listErr
	}
	// A generation has its number only once it is whole: the newest is the one,
	// also where the link was not yet pointed at it. One that cannot be read is
	// passed over, and so is one that is held back, if there is another.
	held := 0
	for _, n := range numbers {
		if err == nil && current.record.Held == nil && n <= current.Generation {
			break
		}
		if c, e := d.generation(n); e == nil && c.record.Held == nil {
			return d.point(n)
		} else if e == nil && held == 0 {
			held = n
		}
	}
	if err != nil && held > 0 {
		return d.point(held)
	}
	if err != nil {
		return nil, err
	}
	return current, nil
}

// install puts the certificate that answered rec into next, and makes next the
// current generation.
func (d directory) install(rec record, issued client.Issued, trust client.Trust, renewAfter time.Time) (*Credential, error) {
	rec.RenewAfter = renewAfter
	for _, f := range []struct {
		name  string
		certs []*x509.Certificate
	}{{certFile, issued.Chain}, {chainFile, issued.Chain[1:]}, {rootsFile, trust.Roots}} {
		if err := d.disk.write(d.at(nextDir, f.name), encodeCerts(f.certs), 0o644); err != nil {
			return nil, err
		}
	}
	if err := d.writeRecord(d.at(nextDir), rec); err != nil { // last: now it is whole
		return nil, err
	}
	return d.promote()
}

// promote gives a whole next the number after the newest, and points to it.
func (d directory) promote() (*Credential, error) {
	numbers, err := d.generations()
	if err != nil {
		return nil, err
	}
	n := 1
	if len(numbers) > 0 {
		n = numbers[0] + 1
	}
	if err := d.disk.rename(d.at(nextDir), d.at(generationName(n))); err != nil {
		return nil, err
	}
	if err := d.disk.sync(d.path); err != nil {
		return nil, err
	}
	return d.point(n)
}

// point swaps the link to generation n.
func (d directory) point(n int) (*Credential, error) {
	if err := d.disk.link(generationName(n), d.at(currentLink)); err != nil {
		return nil, err
	}
	if err := d.disk.sync(d.path); err != nil {
		return nil, err
	}
	c, err := d.load()
	if err != nil {
		return nil, err
	}
	return c, d.prune(n)
}

// prune removes generations that are older than the current one and the one
// before it, which a program may still be reading, and which may be good when the
// current one is not.
func (d directory) prune(current int) error {
	numbers, err := d.generations()
	if err != nil {
		return err
	}
	good := 0
	for i, n := range numbers {
		rec, err := readRecord(d.at(generationName(n)))
		usable := err == nil && rec.Held == nil
		if usable {
			good++
		}
		if i >= keepGenerations && n != current && (!usable || good > keepGenerations) {
			if err := d.disk.remove(d.at(generationName(n))); err != nil {
				return err
			}
		}
	}
	return nil
}

// generations returns the numbers of the generations, newest first.
func (d directory) generations() ([]int, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		if n, ok := generationNumber(e.Name()); ok && e.IsDir() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	return numbers, nil
}

// note changes the record of a generation that is in use.
func (d directory) note(c *Credential, change func(*record)) error {
	rec, err := readRecord(c.Dir)
	if err != nil {
		return err
	}
	change(&rec)
	return d.writeRecord(c.Dir, rec)
}

// writeRecord writes agent.json into one generation, durably.
func (d directory) writeRecord(dir string, rec record) error {
	text, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	if err := d.disk.write(filepath.Join(dir, recordFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return d.disk.sync(dir)
}
