package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit/plain"
)

const (
	gather      = time.Minute   // between two mails
	greylisted  = 4 * time.Hour // how long a recipient is tried who is refused for now
	maxPeople   = 100
	maxExcerpt  = 200 // bytes of an answer that are told of
	maxNameSize = 255
)

// Config says how mail leaves, and to whom. Server, From, To, Host and Log are required.
type Config struct {
	// Server is host:port of a server that takes mail for the recipients: port 587 with
	// STARTTLS, 465 with TLS from the first byte.
	Server string
	// TLS is how it is known, and what it is shown.
	TLS wire.TLS
	// Implicit says that TLS begins with the first byte (RFC 8314), and not by STARTTLS.
	Implicit bool
	// User and PasswordFile are for AUTH PLAIN (RFC 4616), or LOGIN where a server has no
	// other. The file is read for each connection. Empty: none.
	User, PasswordFile string
	// From and To are addresses (RFC 5322), with or without a name; 100 recipients at most.
	From string
	To   []string
	// Host is who we are, in EHLO and Message-ID: a DNS name or an IP address.
	Host string
	Log  *slog.Logger
}

// A Sink mails. It is for one goroutine.
type Sink struct {
	conf   Config
	host   string // of Server
	from   *mail.Address
	people []*person
	gather time.Duration
	last   time.Time // when a mail left
}

// A person is a recipient.
type person struct {
	*mail.Address
	upTo    int64     // the entry that he got last, or was passed over with
	refused time.Time // since when he is refused for now; zero: he is not
}

var _ deliver.Sink = (*Sink)(nil)

// New returns a sink. It connects when there is something to mail.
func New(c Config) (*Sink, error) {
	s := &Sink{conf: c, gather: gather}
	var err error
	if s.host, _, err = net.SplitHostPort(c.Server); err != nil || s.host == "" {
		return nil, fmt.Errorf("%q is not the host:port of a mail server", c.Server)
	}
	if (c.User == "") != (c.PasswordFile == "") {
		return nil, errors.New("a user and a password file go together")
	}
	if c.Host == "" || len(c.Host) > maxNameSize || !printable(c.Host) || strings.ContainsAny(c.Host, " <>@") {
		return nil, fmt.Errorf("%q is not a host's name", c.Host)
	}
	if s.from, err = Address(c.From); err != nil {
		return nil, err
	}
	if len(c.To) == 0 || len(c.To) > maxPeople {
		return nil, fmt.Errorf("there are %d recipients; there must be from 1 to %d", len(c.To), maxPeople)
	}
	for _, text := range c.To {
		to, err := Address(text)
		if err != nil {
			return nil, err
		}
		s.people = append(s.people, &person{Address: to})
	}
	return s, nil
}

// Address reads the address of a sender or a recipient. What SMTP without SMTPUTF8 cannot
// carry is an error.
func Address(text string) (*mail.Address, error) {
	a, err := mail.ParseAddress(text)
	if err != nil || len(text) > 2*maxNameSize || len(a.Address) > maxNameSize || !printable(a.Address) || strings.ContainsAny(a.Address, "<> ") {
		return nil, fmt.Errorf("%q is not an address such as security@hospital.example", text)
	}
	a.Name = plain.Clean(a.Name, maxNameSize)
	return a, nil
}

// printable reports whether s is printable ASCII.
func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// Send mails what became of the alerts that the batch is about. Records of anything else
// are passed over.
func (s *Sink) Send(ctx context.Context, batch []deliver.Record) (int, error) {
	news := newsOf(batch)
	if !worthy(news) {
		return len(batch), nil
	}
	if err := s.wait(ctx, news); err != nil {
		return 0, err
	}
	c, err := s.connect(ctx)
	if err != nil {
		return 0, fmt.Errorf("mailing by %s: %w", s.conf.Server, err)
	}
	defer c.close()
	err = s.mail(c, news)
	if _, refused := errors.AsType[*deliver.RefusedError](err); refused && len(news) > 1 { // one of them
		if err = s.mail(c, news[:1]); err == nil {
			return news[0].index + 1, nil
		}
	}
	if err == nil {
		return len(batch), nil
	}
	if _, refused := errors.AsType[*deliver.RefusedError](err); !refused {
		err = fmt.Errorf("mailing by %s: %w", s.conf.Server, err)
	}
	return s.taken(news), err
}

// taken returns how many records everybody has.
func (s *Sink) taken(all []news) int {
	for _, n := range all {
		for _, p := range s.people {
			if p.upTo < n.seq {
				return n.index
			}
		}
	}
	return all[len(all)-1].index + 1
}

// wait waits until it is time for another mail.
func (s *Sink) wait(ctx context.Context, all []news) error {
	for _, n := range all {
		if n.what == alert.Opening && n.Severity == alert.Critical {
			return nil
		}
	}
	timer := time.NewTimer(s.gather - time.Since(s.last))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// mail brings everybody what he has not got yet, those together who lack the same.
func (s *Sink) mail(c *client, all []news) error {
	lack := make(map[int64][]*person) // by the first entry that they lack
	for _, p := range s.people {
		for _, n := range all {
			if n.seq > p.upTo {
				lack[n.seq] = append(lack[n.seq], p)
				break
			}
		}
	}
	var later error
	for i, n := range all {
		if to := lack[n.seq]; len(to) > 0 {
			if err := s.one(c, all[i:], to); err != nil && later == nil {
				later = err
			}
			if c.broken {
				return later
			}
		}
	}
	return later
}

// one sends one mail, and notes what became of it with each recipient.
func (s *Sink) one(c *client, all []news, to []*person) error {
	if err := c.begin(s.from.Address); err != nil {
		return err
	}
	var taking, never, later []*person
	var answer error
	for _, p := range to {
		err := c.recipient(p.Address.Address)
		switch {
		case err == nil:
			taking = append(taking, p)
			continue
		case c.broken:
			return err
		case permanent(err):
			never = append(never, p)
		default:
			later = append(later, p)
		}
		answer = err
	}
	if len(taking) == 0 && len(to) == len(s.people) {
		c.reset()
		return fmt.Errorf("nobody is let have it: %w", answer)
	}
	if len(taking) > 0 {
		if err := c.data(s.compose(all)); err != nil {
			return err
		}
		s.last = time.Now()
	} else if err := c.reset(); err != nil {
		return err
	}
	last := all[len(all)-1].seq
	for _, p := range taking {
		p.upTo, p.refused = last, time.Time{}
	}
	for _, p := range never {
		s.pass(p, last, answer)
	}
	pending := false
	for _, p := range later {
		if p.refused.IsZero() {
			p.refused = time.Now()
		}
		if time.Since(p.refused) > greylisted {
			s.pass(p, last, answer)
			continue
		}
		pending = true
	}
	if pending {
		return fmt.Errorf("somebody is refused for now: %w", answer)
	}
	return nil
}

// pass passes a recipient over, who gets nothing of the entries up to that one.
func (s *Sink) pass(p *person, upTo int64, answer error) {
	p.upTo, p.refused = upTo, time.Time{}
	s.conf.Log.Error("a recipient does not get mail about alerts", "to", p.Address.Address, "error", answer)
}

// Close does nothing: there is no connection but while there is something to mail.
func (s *Sink) Close() error { return nil }
