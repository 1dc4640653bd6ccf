package main

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/fhir"
	"github.com/betonica/betonica/cmd/internal/deliver/file"
	"github.com/betonica/betonica/cmd/internal/deliver/webhook"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/atna"
)

// openDelivery makes what delivers the audit log as [deliver] says. No receiver is asked
// yet; an error is one of the configuration, or of the files that it names.
func openDelivery(c *server.Config, trustDomain string, db *store.DB, logger *slog.Logger) (*deliver.Engine, error) {
	outlets := c.Deliver.Outlets()
	for i := range outlets {
		o := &outlets[i]
		var err error
		if o.Sink, err = openSink(c, o.Kind); err != nil {
			return nil, fmt.Errorf("deliver.%s: %w", o.Kind, err)
		}
	}
	from := atna.Source{ID: "spiffe://" + trustDomain + "/ca", Site: c.Deliver.Site, Origin: origin(trustDomain)}
	if len(c.Server.Names) > 0 {
		from.Address = c.Server.Names[0].String()
	}
	return deliver.New(deliver.Config{
		Store: db, Outlets: outlets, Source: from, TrustDomain: trustDomain, Now: time.Now, Log: logger,
	}), nil
}

// openSink makes the sink of a table of [deliver].
func openSink(c *server.Config, kind string) (deliver.Sink, error) {
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
	case "file":
		return file.New(d.File.Path)
	}
	return nil, fmt.Errorf("there is no sink of the kind %q", kind)
}
