package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// maxMissing is how many relying parties are named that do not enforce a revocation.
const maxMissing = 10

// A waiting is what --wait and --timeout say.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func waitFlags(cmd *cobra.Command) *waiting {
	w := &waiting{}
	cmd.Flags().BoolVar(&w.wait, "wait", false, "wait until every connected relying party says that it enforces it")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 30*time.Second, "with --wait, how long at most")
	return w
}

func (w *waiting) check(cmd *cobra.Command, dryRun bool) error {
	switch {
	case !w.wait && cmd.Flags().Changed("timeout"):
		return usagef("--timeout is how long to --wait, which is missing")
	case w.wait && dryRun:
		return usagef("--dry-run revokes nothing that one could --wait for")
	case w.timeout < time.Millisecond || w.timeout > adminapi.MaxWait:
		return usagef("--timeout is a time from 1ms to %s", span(adminapi.MaxWait))
	}
	return nil
}

// An enforced is what was revoked, and how far that has come.
type enforced struct {
	adminapi.Fallen
	Enforcement *adminapi.Enforcement `json:"enforcement,omitempty"`
}

// errMissed is a relying party that is connected and did not enforce it in time.
var errMissed = errors.New("not every connected relying party enforces it")

// follow writes what fell, and how far it has come: in a table what fell at once,
// in JSON all together at the end, also of a waiting that went wrong.
func (w *waiting) follow(ctx context.Context, env environment, daemon *adminapi.Client, form output, fallen adminapi.Fallen) error {
	if form == asTable {
		if err := writeFallen(env, form, fallen); err != nil {
			return err
		}
	}
	var last *adminapi.Enforcement
	var err error
	if fallen.Number == 0 {
		fmt.Fprintln(env.stderr, "no certificate fell: there is nothing to enforce")
	} else {
		last, err = w.watch(ctx, env, daemon, fallen.Number, fallen.Number)
	}
	if form != asTable {
		err = errors.Join(writeOne(env, form, enforced{fallen, last}, nil), err)
	}
	return err
}

// watch shows how far the revocations with these CRL numbers come, and returns how
// far they came.
func (w *waiting) watch(ctx context.Context, env environment, daemon *adminapi.Client, from, number int64) (*adminapi.Enforcement, error) {
	line := newProgressLine(env.stderr)
	var last *adminapi.Enforcement
	for e, err := range daemon.WaitEnforced(ctx, from, number, w.timeout) {
		if err != nil {
			line.clear()
			return last, fmt.Errorf("it is revoked; waiting until it is enforced: %w", interrupted(ctx, err))
		}
		last = &e
		line.show(fmt.Sprintf("enforcing %d of %d …", e.Enforcing, e.Expected))
	}
	line.clear()
	if last == nil {
		return nil, fmt.Errorf("it is revoked; waiting until it is enforced: %w: it said nothing", adminapi.ErrUnreachable)
	}
	out := &cleanWriter{env.stderr}
	fmt.Fprintln(out, sentence(*last, env.now()))
	writeMissing(out, *last, env.now())
	if !last.Done() {
		return last, fmt.Errorf("it is revoked, and after %s %w", w.timeout, errMissed)
	}
	return last, nil
}

// sentence says in words how far a revocation has come.
func sentence(e adminapi.Enforcement, now time.Time) string {
	if e.Expected == 0 {
		return "no relying party reports what it enforces"
	}
	text := fmt.Sprintf("%d of %d enforcing", e.Enforcing, e.Expected)
	if e.Slowest != nil {
		text += fmt.Sprintf(", slowest %d ms", *e.Slowest)
	}
	if e.Waiting > 0 {
		text += fmt.Sprintf(", %d connected and not enforcing", e.Waiting)
	}
	if e.Away > 0 {
		text += fmt.Sprintf(", %d not connected", e.Away)
		if e.AwaySince != nil {
			text += " since " + clock(*e.AwaySince, now)
		}
	}
	return text
}

// clock writes a time of today without its date.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04Z")
	}
	return t.Format("2006-01-02 15:04Z")
}

// writeMissing names those that do not enforce it, the connected ones first.
func writeMissing(w io.Writer, e adminapi.Enforcement, now time.Time) {
	for _, p := range e.Missing[:min(len(e.Missing), maxMissing)] {
		state := "not connected"
		if p.Connected {
			state = "connected"
		}
		fmt.Fprintf(w, "  %s  %s, enforces %d, last seen %s from %s\n", p.Identity, state, p.Number, stamp(p.LastSeen, now), p.Address)
	}
	if more := e.Waiting + e.Away - maxMissing; more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}
