package journal

import (
	"context"
	"encoding/json"
	"path/filepath"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// An Opener is what reads the entries of a journal: the keys that its master secret
// gives, and the data keys.
type Opener struct {
	VerifierKey string // of the checkpoints
	Keyring     *audit.Keyring
}

// ReadKeys returns what opens the entries of the journal in a folder, whose master secret
// is in file; empty: in the folder.
func ReadKeys(dir, file string) (Opener, error) {
	if file == "" {
		file = filepath.Join(dir, "master")
	}
	origin, err := readOrigin(dir)
	if err != nil {
		return Opener{}, err
	}
	keys, err := readMaster(file)
	if err != nil {
		return Opener{}, err
	}
	all, err := readDataKeys(dir, keys)
	if err != nil {
		return Opener{}, err
	}
	o := Opener{Keyring: audit.NewKeyring(all...)}
	o.VerifierKey, err = keys.VerifierKey(origin)
	return o, err
}

// Verify is [audit.Verify] for a journal: entries that the journal itself removed, after
// the CA had them, are not missing. An entry of the journal says so, which takes its keys
// to write, and to read: without o.Keyring they are reported as deleted.
func Verify(ctx context.Context, r *Reader, o Opener) (audit.Report, error) {
	v, err := checkpoint.NewVerifier(o.VerifierKey)
	if err != nil {
		return audit.Report{}, err
	}
	s := &pruned{Reader: r, keyring: o.Keyring}
	report, err := audit.Verify(ctx, s, audit.VerifyOptions{Verifier: v, Keyring: o.Keyring})
	if len(report.Findings) == 0 {
		return report, err
	}
	first := report.Findings[0]
	if first.Kind != audit.Deleted || first.From != 1 || first.To > s.last {
		return report, err
	}
	report.Findings = report.Findings[1:]
	report.First = first.To + 1
	if len(report.Findings) > 0 {
		return report, report.Findings[0]
	}
	return report, nil
}

// pruned watches for entries that say what was removed.
type pruned struct {
	*Reader
	keyring *audit.Keyring
	last    int64 // entry that was
}

func (p *pruned) Records(ctx context.Context, after int64, limit int) ([]audit.Record, error) {
	page, err := p.Reader.Records(ctx, after, limit)
	for _, row := range page {
		if row.Action != pruneAction || p.keyring == nil {
			continue
		}
		e, err := p.keyring.Open(row.Leaf)
		if err != nil {
			continue // and is reported
		}
		number, _ := e.Detail["last"].(json.Number)
		if n, err := number.Int64(); err == nil {
			p.last = max(p.last, n)
		}
	}
	return page, err
}
