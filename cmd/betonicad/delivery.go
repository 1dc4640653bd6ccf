package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/alertmanager"
	"github.com/betonica/betonica/cmd/internal/deliver/fhir"
	"github.com/betonica/betonica/cmd/internal/deliver/file"
	"github.com/betonica/betonica/cmd/internal/deliver/mail"
	"github.com/betonica/betonica/cmd/internal/deliver/syslog"
	"github.com/betonica/betonica/cmd/internal/deliver/webhook"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/cmd/internal/watch"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/atna"
)

// openDelivery makes what delivers the audit log as [deliver] says. No receiver is asked
// yet; an error is one of the configuration, or of the files that it names. alerts says
// which alerts are open.
func openDelivery(c *server.Config, trustDomain string, db *store.DB, alerts alertmanager.Opener, logger *slog.Logger) (*deliver.Engine, error) {
	outlets := c.Deliver.Outlets()
	var names []string // of those that get what guards ship
	for i := range outlets {
		o := &outlets[i]
		var err error
		if o.Kind == "alertmanager" {
			o.Sink, err = openAlertmanager(c.Deliver.Alertmanager, trustDomain, db, alerts, logger)
		} else {
			o.Sink, err = openSink(c, o.Kind, logger)
		}
		if err != nil {
			return nil, fmt.Errorf("deliver.%s: %w", o.Kind, err)
		}
		if o.Journals {
			names = append(names, o.Name)
		}
	}
	db.KeepFor(names...)
	from := atna.Source{ID: "spiffe://" + trustDomain + "/ca", Site: c.Deliver.Site, Origin: origin(trustDomain)}
	if len(c.Server.Names) > 0 {
		from.Address = c.Server.Names[0].String()
	}
	return deliver.New(deliver.Config{
		Store: db, Outlets: outlets, Source: from, TrustDomain: trustDomain, Now: time.Now, Log: logger,
	}), nil
}

func openAlertmanager(o *server.AlertmanagerOutlet, trustDomain string, db *store.DB, alerts alertmanager.Opener, logger *slog.Logger) (deliver.Sink, error) {
	return alertmanager.New(alertmanager.Config{
		URL: o.URL.Text(), TLS: o.Wire(), TokenFile: o.TokenFile, User: o.User, PasswordFile: o.PasswordFile, Origin: origin(trustDomain),
		Open: alerts, Eldest: db.Eldest, Now: time.Now, Log: logger,
	})
}

// lags tells how far behind each receiver is, of those that this daemon delivers to.
func lags(e *deliver.Engine) (all []watch.Lag) {
	for _, s := range e.Status() {
		if s.Active {
			all = append(all, watch.Lag{Sink: s.Name, Age: s.Lag})
		}
	}
	return all
}

// deliveries returns what tells how the receivers are doing, as the store knows it.
func deliveries(db *store.DB, outlets []deliver.Outlet) func(context.Context) ([]adminapi.Delivery, error) {
	return func(ctx context.Context) (all []adminapi.Delivery, err error) {
		if len(outlets) == 0 {
			return nil, nil
		}
		now := time.Now()
		known, _, err := deliver.Look(ctx, db, outlets, now)
		if err != nil {
			return nil, err
		}
		refused := map[string]int64{}
		entries, _, err := db.AuditEntries(ctx, store.AuditFilter{Action: "delivery.refuse", Since: now.Add(-24 * time.Hour)}, store.Page{Limit: 100})
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			refused[e.Subject]++
		}
		for _, s := range known {
			one := adminapi.Delivery{Sink: s.Sink, Waiting: s.Entries, Behind: int64(s.Lag / time.Second), Trouble: s.Trouble, Refused: refused[s.Sink]}
			if !s.Failing.IsZero() {
				one.Failing = &s.Failing
			}
			all = append(all, one)
		}
		return all, nil
	}
}

// openSink makes the sink of a table of [deliver], of those that need nothing of the daemon.
func openSink(c *server.Config, kind string, logger *slog.Logger) (deliver.Sink, error) {
	switch d := &c.Deliver; kind {
	case "fhir":
		return fhir.New(fhir.Config{
			URL: d.FHIR.URL.Text(), TLS: d.FHIR.Wire(), TokenFile: d.FHIR.TokenFile,
			Single: !server.On(d.FHIR.Batch), Unconditional: !server.On(d.FHIR.Conditional),
		})
	case "webhook":
		return webhook.New(webhook.Config{
			URL: d.Webhook.URL.Text(), TLS: d.Webhook.Wire(), SecretFile: d.Webhook.SecretFile, TokenFile: d.Webhook.TokenFile, Now: time.Now,
		})
	case "syslog":
		return syslog.New(syslog.Config{
			Address: d.Syslog.Address.String(), TLS: d.Syslog.Wire(), Format: d.Syslog.Format.Format(),
			Sender: atna.Sender{Host: c.Server.Names[0].String(), App: "betonicad", PID: strconv.Itoa(os.Getpid())},
		})
	case "mail":
		return mail.New(mail.Config{
			Server: d.Mail.Server.String(), TLS: d.Mail.Wire(), Implicit: d.Mail.TLS.Implicit(), User: d.Mail.User, PasswordFile: d.Mail.PasswordFile,
			From: d.Mail.From.String(), To: d.Mail.Recipients(), Host: c.Server.Names[0].String(), Log: logger,
		})
	case "file":
		return file.New(d.File.Path)
	}
	return nil, fmt.Errorf("there is no sink of the kind %q", kind)
}
