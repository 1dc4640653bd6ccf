package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/term"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// A tally is what became of a file of revocations.
type tally struct {
	Total        int                   `json:"total"`
	Revoked      int                   `json:"revoked"` // with --dry-run: would be
	Already      int                   `json:"already"` // revoked before
	Unknown      int                   `json:"unknown"` // not on record
	Failed       int                   `json:"failed"`
	Left         int                   `json:"left"`         // not come to, where it ended early
	Certificates int                   `json:"certificates"` // that fell
	Number       int64                 `json:"number"`       // CRL number from which on the lists say so; 0: no certificate fell
	Problems     []trouble             `json:"problems"`
	Enforcement  *adminapi.Enforcement `json:"enforcement,omitempty"`

	first int64 // CRL number of the first revocation; 0: no certificate fell
}

// A trouble is a line that was not carried out.
type trouble struct {
	Line   int    `json:"line"`
	Target string `json:"target"`
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

var (
	errSomeFailed   = errors.New("not everything was revoked")
	errNotOnRecord  = errors.New("not everything is on record")
	againWhenEarly  = "run the same command again: what is revoked is passed over"
	againWhenFailed = "see why, and run the same command again: what is revoked is passed over"
)

// revokeFile revokes all that a file names, in its order. What one line lacks does not
// keep the others from being revoked. It may be run again at any time.
func revokeFile(ctx context.Context, env environment, daemon *adminapi.Client, file *revocationFile, dryRun, yes bool, waits waiting, form output) error {
	if !dryRun && !yes {
		if err := confirmFile(env, file); err != nil {
			return err
		}
	}
	t := tally{Total: len(file.items), Left: len(file.items), Problems: []trouble{}}
	line := newProgressLine(env.stderr)
	var failed error
	for some := range slices.Chunk(file.items, adminapi.MaxRevocations) {
		line.show(t.bar())
		req := adminapi.RevokeManyRequest{DryRun: dryRun}
		for _, item := range some {
			req.Items = append(req.Items, item.RevocationItem)
		}
		results, err := daemon.RevokeMany(ctx, req)
		if err != nil {
			failed = interrupted(ctx, err)
			break
		}
		t.add(some, results)
	}
	line.clear()
	err := t.verdict(file, failed)
	t.say(env, file, dryRun)
	if waits.wait && t.Number > 0 && failed == nil {
		var late error
		t.Enforcement, late = waits.watch(ctx, env, daemon, t.first, t.Number)
		err = errors.Join(err, late)
	}
	return errors.Join(t.write(env, form), err)
}

// confirmFile asks a person, who has to be there.
func confirmFile(env environment, file *revocationFile) error {
	f, ok := env.stdin.(*os.File)
	if file.name == "-" || !ok || !term.IsTerminal(int(f.Fd())) {
		return usagef("revoking what %s names cannot be undone: say --yes, or look first with --dry-run", file.name)
	}
	identities, certificates := file.counts()
	fmt.Fprintf(env.stderr, "This ends %s and %s for good. Go on? [y/N] ", many(identities, "identity", "identities"), count(certificates, "certificate"))
	if !confirmed(env) {
		return fmt.Errorf("revoking what %s names: %w", file.name, errDeclined)
	}
	return nil
}

func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

// add counts the results of some items.
func (t *tally) add(items []listed, results []adminapi.RevocationResult) {
	for i, r := range results {
		t.Left--
		t.Certificates += r.Certificates
		t.Number = max(t.Number, r.Number)
		if r.Number > 0 && (t.first == 0 || r.Number < t.first) {
			t.first = r.Number
		}
		switch r.Status {
		case adminapi.ItemRevoked:
			t.Revoked++
			continue
		case adminapi.ItemAlready:
			t.Already++
			continue
		case adminapi.ItemUnknown:
			t.Unknown++
		default:
			t.Failed++
		}
		t.Problems = append(t.Problems, trouble{items[i].line, items[i].target(), r.Status, r.Detail})
	}
}

// bar draws how far it is.
func (t *tally) bar() string {
	done := t.Total - t.Left
	return fmt.Sprintf("%s %d of %d", bar(int64(done), int64(t.Total)), done, t.Total)
}

// verdict returns an error unless all is revoked.
func (t *tally) verdict(file *revocationFile, failed error) error {
	switch {
	case failed != nil:
		return &advice{fmt.Errorf("revoking what %s names: %d of %d were not come to: %w", file.name, t.Left, t.Total, failed), againWhenEarly}
	case t.Failed > 0:
		return &advice{fmt.Errorf("%d of %d failed: %w", t.Failed, t.Total, errSomeFailed), againWhenFailed}
	case t.Unknown > 0:
		return fmt.Errorf("%d of %d are unknown: %w", t.Unknown, t.Total, errNotOnRecord)
	}
	return nil
}

// say tells a person what became of which line.
func (t *tally) say(env environment, file *revocationFile, dryRun bool) {
	for _, p := range t.Problems {
		why := "is not on record"
		if p.Status != adminapi.ItemUnknown {
			why = p.Detail
		}
		fmt.Fprintf(env.stderr, "%s:%d: %s: %s\n", file.name, p.Line, p.Target, why)
	}
	did := "revoked"
	if dryRun {
		did = "would be revoked"
	}
	fmt.Fprintf(env.stderr, "%d %s (%s), %d already, %d unknown, %d failed", t.Revoked, did, count(t.Certificates, "certificate"), t.Already, t.Unknown, t.Failed)
	if file.repeated > 0 {
		fmt.Fprintf(env.stderr, "; %s what others say", many(file.repeated, "line repeats", "lines repeat"))
	}
	fmt.Fprintln(env.stderr)
}

func (t *tally) write(env environment, form output) error {
	text := func(n int) string { return strconv.Itoa(n) }
	fields := []field{
		{"revoked", text(t.Revoked)}, {"already", text(t.Already)}, {"unknown", text(t.Unknown)}, {"failed", text(t.Failed)},
		{"certificates", text(t.Certificates)},
	}
	if t.Left > 0 {
		fields = append(fields, field{"left", text(t.Left)})
	}
	if t.Number > 0 {
		fields = append(fields, field{"crl number", strconv.FormatInt(t.Number, 10)})
	}
	return writeOne(env, form, t, fields)
}
