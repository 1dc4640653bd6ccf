package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const statusFile = "state.json"

// A Status is what a directory's agent says of itself. It is advice: none, or one
// that cannot be read, is as good as new.
type Status struct {
	State State `json:"state"`
	// Since is when it came to that.
	Since time.Time `json:"since"`
	// Why is the last trouble, and Retry when the step is tried again; both are gone
	// once it succeeds.
	Why   string    `json:"why,omitempty"`
	Retry time.Time `json:"retry,omitzero"`
	// Serial is the certificate to which the CA said no, in [Denied], and Refusals how
	// often it did.
	Serial   string `json:"serial,omitempty"`
	Refusals int    `json:"refusals,omitempty"`
	// Code is what to compare with what the approver sees, in [Pending], and Expires
	// when the request lapses.
	Code    string    `json:"code,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Time is the latest time that is known to have come, and Offset what was to be
	// added to the system's clock then, in seconds.
	Time   time.Time `json:"time,omitzero"`
	Offset int64     `json:"clock_offset,omitempty"`
}

// ReadStatus returns what the agent of dir said last; the zero Status if it said
// nothing.
func ReadStatus(dir string) (Status, error) {
	text, err := os.ReadFile(filepath.Join(dir, statusFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Status{}, nil
	}
	var s Status
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return Status{}, err
	}
	if _, ok := transitions[s.State]; !ok {
		s.State = ""
	}
	return s, nil
}

// stand returns where the directory stands. What it holds decides; said, its last
// status, adds what cannot be seen there.
func (d directory) stand(said Status, now time.Time, hooks bool) State {
	c, err := d.load()
	next, nextErr := d.readPending()
	switch {
	case err != nil && said.State == Denied:
		return Denied
	case err != nil && nextErr != nil:
		return Unenrolled
	case err != nil && said.State == Pending:
		return Pending
	case err != nil:
		return Enrolling
	case said.State == Denied && said.Serial == d.newest(c).Serial():
		return Denied
	case now.After(c.NotAfter()):
		return Grace
	case d.newest(c) != c:
		return Rollback
	case nextErr == nil && next.Parent == c.Serial():
		return Renewing
	case hooks && !c.record.HookDone:
		return Staged
	}
	return Active
}

// move follows a signal, and keeps where that leads. change may say more of it.
func (k *keeper) move(ctx context.Context, on signal, change func(*Status)) {
	k.mu.Lock()
	s := k.status
	to, ok := s.State.next(on)
	if to != s.State {
		refusals := s.Refusals
		if to == Staged || to == Active {
			refusals = 0
		}
		s = Status{State: to, Since: k.now().UTC().Truncate(time.Second), Refusals: refusals}
	}
	if change != nil {
		change(&s)
	}
	k.status = s
	k.mu.Unlock()
	if !ok {
		k.conf.Log.WarnContext(ctx, "unexpected", "state", s.State, "signal", int(on))
	}
	k.save(ctx)
}

// save writes the status, if it says something new. That it may fail, on a full disk,
// holds nothing up.
func (k *keeper) save(ctx context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	floor, offset := k.clock.known()
	s.Time, s.Offset = floor.UTC().Truncate(time.Second), int64(offset/time.Second)
	if s == k.saved {
		return
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = k.dir.disk.jot(k.dir.at(statusFile), append(text, '\n'))
	}
	if err != nil {
		k.conf.Log.WarnContext(ctx, "the state cannot be written", "error", err)
		return
	}
	k.saved = s
}

// stands is the state now.
func (k *keeper) stands() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status.State
}
