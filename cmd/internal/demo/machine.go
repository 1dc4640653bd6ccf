package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/rpc"
	"path/filepath"
	"sync"
	"time"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/peer"
)

// Serve is a machine: it becomes and does what is asked of it over conn, until the
// other end or ctx ends. Then its connections are cut, and it returns. It logs to
// log.
func Serve(ctx context.Context, conn io.ReadWriteCloser, log io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &machine{ctx: ctx, journal: newJournal(), log: slog.New(slog.NewTextHandler(log, nil))}
	server := rpc.NewServer()
	if err := server.RegisterName("Machine", m); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() { // a read of standard input does not end with ctx: the process ends it
		server.ServeConn(conn)
		close(gone)
	}()
	select {
	case <-gone:
	case <-ctx.Done():
	}
	cancel()
	return m.close()
}

// A machine is a pump or a gateway. Its exported methods are what it can be asked
// for, in the form of package rpc.
type machine struct {
	ctx     context.Context // of Serve: a request has none of its own
	journal *journal
	log     *slog.Logger

	mu     sync.Mutex
	agent  *agent.Agent
	peer   *peer.Peer
	server *http.Server // of a gateway
	round  *round       // nil if no calls are going on
	open   sync.WaitGroup
}

// Start makes the machine what it is to be.
func (m *machine) Start(s Setup, out *Status) (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.agent != nil {
		return errors.New("the machine was started already")
	}
	m.agent, err = agent.Start(m.ctx, agent.Config{
		Dir: s.Dir, URL: s.URL, TokenFile: s.TokenFile, Request: agent.Request{DNSNames: s.DNSNames}, Events: m.ofAgent, Log: m.log,
	})
	if out.Refusal = refusalOf(err); out.Refusal != nil {
		return nil
	}
	if err != nil {
		return err
	}
	m.peer, err = peer.Open(m.ctx, peer.Config{
		Source: m.agent, Allow: s.Allow, State: filepath.Join(s.Dir, "peer"), MaxAge: s.MaxAge, Heartbeat: s.Heartbeat,
		IDOnly: true, // machines know each other by their SPIFFE IDs: there is no DNS on the loopback
		Events: m.ofPeer, Log: m.log,
	})
	if err != nil {
		return err
	}
	if s.Listen {
		if out.Address, err = m.listen(); err != nil {
			return err
		}
	}
	m.describe(out)
	return nil
}

func (m *machine) describe(out *Status) {
	c := m.agent.Credential()
	leaf := c.Certificate.Leaf
	out.ID, out.Serial, out.Lifetime = c.ID(), c.Serial(), leaf.NotAfter.Sub(leaf.NotBefore)
}

// refusalOf returns the CA's no, or nil if err is something else.
func refusalOf(err error) *Refusal {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return &Refusal{Status: p.Status, Text: p.Error()}
	}
	return nil
}

func (m *machine) listen() (address string, err error) {
	l, err := m.peer.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	m.server = &http.Server{Handler: m.gateway(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(m.log.Handler(), slog.LevelInfo)}
	go m.server.Serve(l) // until close
	return l.Addr().(*net.TCPAddr).String(), nil
}

// Renew renews the machine's certificate now.
func (m *machine) Renew(_ struct{}, out *Status) error {
	err := m.agent.Renew(m.ctx)
	if out.Refusal = refusalOf(err); out.Refusal != nil {
		return nil
	}
	m.describe(out)
	return err
}

// Events returns what happened from event number n on, once something has.
func (m *machine) Events(n int, out *[]Event) (err error) {
	*out, err = m.journal.after(m.ctx, n)
	return err
}

func (m *machine) ofAgent(e agent.Event) {
	own := Event{Time: e.Time, Kind: string(e.Kind), Text: text(e.Err)}
	if e.Credential != nil {
		own.ID, own.Serial = e.Credential.ID(), e.Credential.Serial()
	}
	m.journal.add(own)
}

func (m *machine) ofPeer(e peer.Event) {
	m.journal.add(Event{Time: e.Time, Kind: string(e.Kind), ID: e.ID, Serial: e.Serial, Number: e.Number, Text: text(e.Err)})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// close ends what the machine does. Its context has ended.
func (m *machine) close() (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.server != nil {
		err = m.server.Close()
	}
	if m.peer != nil {
		err = errors.Join(err, m.peer.Close())
	}
	if m.agent != nil {
		m.agent.Wait()
	}
	m.open.Wait()
	if err != nil {
		return fmt.Errorf("ending the machine: %w", err)
	}
	return nil
}
