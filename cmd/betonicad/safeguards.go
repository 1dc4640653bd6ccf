package main

import (
	"context"
	"crypto/fips140"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/doctor"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/compliance"
)

// safeguards tells what the daemon knows of itself and of its host, as it is now.
func safeguards(d layout, c *server.Config, urls adminapi.URLs, db *store.DB, logger *slog.Logger) func(context.Context) compliance.System {
	return func(ctx context.Context) compliance.System {
		retention := c.StoreRetention()
		s := compliance.System{
			Known: true, Version: version(), FIPS: fips140.Enabled(),
			Ops: urls.Ops, OpsOpen: urls.Ops != "" && !loopback(urls.Ops),
			Passphrase: place(c.CA.PassphraseFile, string(d)), Evidence: place(c.Audit.Evidence, string(d)), RootKey: doctor.RootKeys(string(d)),
			BackupWithin: c.Backup.MaxAge.Duration, KeepsLog: retention.KeepsAudit(), KeepsRecords: retention.KeepsRecords(),
		}
		if s.FIPS {
			s.FIPSVersion = fips140.Version()
		}
		if b, err := server.ReadBackup(string(d)); err == nil {
			s.Backup = compliance.Backup{At: b.At, File: b.File, Encrypted: len(b.Recipients) > 0}
		}
		for _, l := range []struct{ name, address string }{{"https", urls.HTTPS}, {"est", urls.EST}} {
			if l.address != "" {
				s.Listeners = append(s.Listeners, tryListener(ctx, l.name, l.address))
			}
		}
		outlets := c.Deliver.Outlets()
		sinks, _, err := deliver.Look(ctx, db, outlets, time.Now())
		if err != nil {
			logger.ErrorContext(ctx, "how far the audit log is delivered cannot be told", "error", err)
			s.Known = false
		}
		for i, one := range sinks {
			s.Sinks = append(s.Sinks, compliance.Sink{Name: one.Sink, Lag: one.Lag, Why: one.Trouble, Alerts: outlets[i].Alerts()})
		}
		return s
	}
}

// place says where a file lies, as against the CA's folder.
func place(file, dir string) compliance.Place {
	p := compliance.Place{File: file}
	if file == "" {
		return p
	}
	how, err := doctor.Together(file, dir)
	if p.Beside = how; err != nil {
		p.Trouble = err.Error()
	}
	return p
}

// tryFor is how long a listener on this host may take.
const tryFor = 5 * time.Second

// tryListener shakes hands with a listener on this host: with TLS 1.1, which it has to
// refuse, and with whatever both can do best. Who answers there is the doctor's to judge.
func tryListener(ctx context.Context, name, address string) compliance.Listener {
	l := compliance.Listener{Name: name, Address: address}
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	best, err := shake(ctx, reachable(address))
	if err != nil {
		l.Trouble = err.Error()
		return l
	}
	l.Version, l.Cipher, l.Group = tls.VersionName(best.Version), tls.CipherSuiteName(best.CipherSuite), best.CurveID.String()
	takes, err := takesOldTLS(ctx, reachable(address))
	if err != nil {
		l.Trouble = err.Error()
		return l
	}
	l.Refuses = !takes
	return l
}

func shake(ctx context.Context, address string) (tls.ConnectionState, error) {
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // nothing is said to it
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close() // what is to be known is known by now
	return conn.(*tls.Conn).ConnectionState(), nil
}

// reachable returns an address of this host that reaches a listener.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	ip, bad := netip.ParseAddr(host)
	switch {
	case err != nil:
		return address
	case host == "", bad == nil && ip.IsUnspecified():
		return net.JoinHostPort("localhost", port)
	}
	return address
}

// loopback reports whether nobody but this host reaches an address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
