package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// A story is who plays, and what a step hands on to those after it.
type story struct {
	Config
	dir string

	ca                  *authority
	gateway, one, other *remote // gw-1, pump-1 and pump-2
	started             []*process

	spare   string // file of a token for pump-2 that nobody has spent
	thief   *thief
	ordered time.Time // when the revocation was asked for
	revoked time.Time // when it was answered
	entry   int64     // of the audit log: the revocation
}

func (s *story) steps() []step {
	return []step{
		{"the CA is up", s.caUp},
		{"two pumps and a gateway enrol", s.enrol},
		{"an mTLS call answers 200", s.call},
		{"certificates renew under load", s.renew},
		{"one pump is revoked", s.revoke},
		{"its open connection is cut", s.cut},
		{"its resumed TLS session is refused", s.resume},
		{"its renewal and re-enrolment, too", s.comeBack},
		{"the CA stops, and peers fail closed", s.stopCA},
		{"the audit log shows one edited row", s.auditLog},
	}
}

// add takes over a process, to end it.
func (s *story) add(p *process) { s.started = append(s.started, p) }

// file is a path in the demo's directory.
func (s *story) file(name string) string { return filepath.Join(s.dir, name) }

// machine starts a machine's process.
func (s *story) machine(name string) (*remote, error) {
	r, err := newRemote(s.Program, s.dir, name)
	if err == nil {
		s.add(r.process)
	}
	return r, err
}

// setup is what machines have in common. Pumps let in gateways, and gateways pumps.
func (s *story) setup(name, allow string) Setup {
	return Setup{
		Dir: s.file(name), URL: s.ca.url(), TokenFile: s.file(name + ".token"), Heartbeat: heartbeat,
		Allow: []string{"spiffe://" + trustDomain + "/" + allow + "/*"},
	}
}

// enrolment is a machine that comes with a token.
func (s *story) enrolment(ctx context.Context, r *remote, role string, setup Setup) error {
	if err := s.ca.token(ctx, setup.TokenFile, adminapi.TokenRequest{Role: role, Name: r.name}); err != nil {
		return err
	}
	if err := r.start(ctx, setup); err != nil {
		return err
	}
	if r.Refusal != nil {
		return fmt.Errorf("%s was refused: %s", r.name, r.Refusal.Text)
	}
	if want := "spiffe://" + trustDomain + "/" + role + "/" + r.name; r.ID != want {
		return fmt.Errorf("%s became %s", r.name, r.ID)
	}
	return nil
}

// together runs all of them at once, and returns their errors.
func together(all ...func() error) error {
	errs := make([]error, len(all))
	var group sync.WaitGroup
	for i, f := range all {
		group.Go(func() { errs[i] = f() })
	}
	group.Wait()
	return errors.Join(errs...)
}

// end ends every process, the CA last: machines that miss it would complain.
func (s *story) end() error {
	var stops []func() error
	for _, p := range s.started {
		if p.running() && p != s.daemon() {
			stops = append(stops, p.stop)
		}
	}
	err := together(stops...)
	if ca := s.daemon(); ca != nil && ca.running() {
		err = errors.Join(err, ca.stop())
	}
	return err
}

// daemon is the CA's process; nil if it was never started.
func (s *story) daemon() *process {
	if s.ca == nil {
		return nil
	}
	return s.ca.process
}

// writeLogs shows the end of what each process logged.
func (s *story) writeLogs() {
	for _, p := range s.started {
		fmt.Fprintf(s.Notes, "\n%s logged last:\n  %s\n", p.name, strings.Join(p.tail(8), "\n  "))
	}
}
