package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/betonica/betonica/cmd/internal/admin"
	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/cmd/internal/comply"
	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/notify"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/cmd/internal/watch"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/attest"
	"github.com/betonica/betonica/enroll/join"
	"github.com/betonica/betonica/enroll/renew"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// A daemon is all that runs.
type daemon struct {
	layout    layout
	store     *store.DB
	registrar *enroll.Registrar
	issuance  *issuance
	server    *server.Server
	acme      *acme.Handler  // nil: there is none
	mirror    *revoke.Mirror // nil: there is none
	office    *comply.Office
	delivery  *deliver.Engine
	watch     *watch.Watch
	listeners *server.Listeners
	log       *slog.Logger
}

// open makes a daemon of its parts, and puts on record that it starts.
func open(ctx context.Context, d layout, c *server.Config, s *secrets, l *server.Listeners, logger *slog.Logger) (_ *daemon, err error) {
	url := c.HTTP.URL.String()
	if url == "" {
		url = server.DefaultURL(c.Server.Names, l.HTTPPort()).String()
	}
	copies, copied := c.MigrationCopies()
	db, err := store.Open(ctx, store.Config{
		DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), Evidence: c.Audit.Evidence, IDFile: d.storeID(), BackupDir: copies, NoBackup: !copied,
		AcceptClock: c.Store.AcceptClock, Existing: true, Retention: c.StoreRetention(), Log: logger,
		Replica: store.Replica{Name: c.Server.Replica.String(), Version: version(), URL: l.URLs().HTTPS},
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	custody := openCustody(d, c, db, logger)
	s = custody.begin(ctx, s)
	issuance, err := newIssuance(d, c, url, s, logger)
	if err != nil {
		return nil, err
	}
	issuers := issuance.issuers
	for _, one := range s.intermediates { // in the order of their making: what is on record is the first one's
		if err := db.AddIssuer(ctx, one.id); err != nil {
			return nil, err
		}
	}
	if err := recall(ctx, c.CRL.PublishDir, db, s, logger); err != nil {
		return nil, err
	}
	registrar, err := enroll.New(ctx, enroll.Config{Store: db, Issuers: issuers, Sealer: s.sealer, Log: logger})
	if err != nil {
		return nil, err
	}
	if err := registrar.Policies.Start(ctx, enroll.Daemon(), d.policy()); err != nil {
		return nil, err
	}
	db.KeepExpired(registrar.Grace)
	err = db.Update(ctx, func(*store.Tx) audit.Event {
		return audit.Event{Action: enroll.ActionStart, Actor: enroll.Daemon().Name, Subject: enroll.Daemon().Name, Outcome: "ok", Detail: map[string]any{
			"version": version(), "url": url, "https": l.URLs().HTTPS, "replica": c.Server.Replica.String(),
		}}
	})
	if err != nil {
		return nil, err
	}
	dns, ips := server.SplitNames(c.Server.Names)
	certificate := &server.Certificate{
		Issue: func(ctx context.Context) (tls.Certificate, error) {
			return registrar.Self(ctx, c.Server.Replica.String(), dns, ips)
		},
		Now: time.Now, Log: logger,
	}
	va, err := openValidation(ctx, c, s, db, issuers, logger)
	if err != nil {
		return nil, err
	}
	issuance.store, issuance.custody, issuance.registrar, issuance.validation, issuance.switched = db, custody, registrar, va, certificate.Renew
	if err := issuance.take(ctx, s); err != nil {
		return nil, err
	}
	if err := certificate.Renew(ctx); err != nil {
		return nil, err
	}
	acmeHandler, err := openACME(c, db, registrar, issuers, va.revoker, logger)
	if err != nil {
		return nil, err
	}
	estHandler, err := openEST(c, registrar, issuers, certificate.Current, logger)
	if err != nil {
		return nil, err
	}
	scepHandler, err := openSCEP(ctx, d, c, s, db, va.publishers, registrar, issuers, logger)
	if err != nil {
		return nil, err
	}
	var delivery *deliver.Engine
	watch := watch.New(watch.Config{
		Store: db, Registrar: registrar, Name: c.Server.Replica.String(), Now: time.Now, Log: logger,
		Lags: func(context.Context) ([]watch.Lag, error) { return lags(delivery), nil },
	})
	delivery, err = openDelivery(c, s.trustDomain(), db, watch, logger)
	if err != nil {
		return nil, err
	}
	ready := func() error {
		return errors.Join(db.Health(), certificate.Valid(), va.Health(), issuance.Health())
	}
	metrics := server.NewMetrics()
	metrics.Collect(db, ready)
	metrics.CollectEnrolment(registrar)
	metrics.CollectIssuers(issuance.Status)
	metrics.CollectRevocation(va.publishers, va.responder, va.lag, c.CRL)
	metrics.CollectEnforcement(va.enforcement)
	metrics.CollectCertificates(issuers, va.responder, certificate)
	metrics.CollectReplicas(db)
	metrics.CollectDisk(string(d), c)
	bounds := c.ArchiveBounds()
	metrics.CollectArchive(db, bounds.Total)
	metrics.CollectDelivery(delivery.Status)
	metrics.CollectProcess(version(), l)
	office := comply.New(comply.Config{
		Store: db, Policies: registrar.Policies, TrustDomain: s.trustDomain(), System: safeguards(d, c, l.URLs(), db, logger), Now: time.Now, Log: logger,
	})
	metrics.CollectAlerts(db, watch.Stats)
	admin := admin.New(admin.Config{
		Compliance: office, Watch: watch, Registrar: registrar, Store: db, Issuers: issuers, Issuance: issuance.Status, Deliveries: deliveries(db, c.Deliver.Outlets()), Revoker: va.revoker, Enforcement: va.enforcement, UID: uint32(os.Getuid()),
		Version: version(), Started: time.Now(), URLs: l.URLs(), Ready: ready, Log: logger,
	})
	opened := &daemon{
		layout: d, store: db, registrar: registrar, issuance: issuance, acme: acmeHandler, mirror: va.mirror, office: office, delivery: delivery, watch: watch, listeners: l, log: logger,
		server: &server.Server{
			Join: &join.Handler{Registrar: registrar}, Renew: &renew.Handler{Registrar: registrar}, Attest: &attest.Handler{Registrar: registrar},
			Registrar: registrar, Issuers: issuers, Publishers: va.publishers, Responder: va.responder, Enforcement: va.enforcement, Admin: admin.MTLS(), AdminSocket: admin.Socket(),
			Evidence: server.NewEvidence(func(der []byte) (bool, error) { return witness(context.WithoutCancel(ctx), db, issuance.known(), der) }),
			Stopped:  db.Stopped,
			Records: server.NewRecords(func(ctx context.Context, from archive.Sender, b *journal.Batch) (journal.Ends, error) {
				return archive.Receive(ctx, db, bounds, from, b)
			}),
			Certificate: certificate, Ready: ready, Metrics: metrics, Log: logger,
		},
	}
	if acmeHandler != nil {
		opened.server.ACME = acmeHandler
	}
	if scepHandler != nil {
		opened.server.SCEP = scepHandler
	}
	if estHandler != nil {
		opened.server.EST = estHandler
	}
	return opened, nil
}

// run answers until ctx ends. Then requests end first, what runs beside them
// next, and the store last, with nothing lost.
func (d *daemon) run(ctx context.Context, readyFile string) (err error) {
	defer d.issuance.close()
	defer func() { err = errors.Join(err, d.store.Close()) }()
	defer d.server.Metrics.Wait()
	loads, rotations := make(chan os.Signal, 1), make(chan os.Signal, 1) // before anybody hears that we are ready
	for _, hangup := range []chan os.Signal{loads, rotations} {
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
	}

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	beside := beside(context.WithoutCancel(ctx), stop)
	beside.run("store", d.store.Run)
	beside.run("refusals", d.registrar.Run)
	beside.run("lives", d.registrar.RunLives)
	beside.run("powers", d.registrar.RunPowers)
	beside.run("safeguards", d.office.Run)
	beside.run("delivery", d.delivery.Run)
	beside.run("watch", d.watch.Run)
	beside.run("revocation lists", d.server.Publishers.Run)
	beside.run("intermediates", func(ctx context.Context) error { return d.issuance.Run(ctx, rotations) })
	beside.run("enforcement", d.server.Enforcement.Run)
	beside.run("OCSP responder", d.server.Responder.Run)
	if d.mirror != nil {
		beside.run("published files", d.mirror.Run)
	}
	if d.acme != nil {
		beside.run("ACME validation", d.acme.Run)
	}
	beside.run("certificate", d.server.Certificate.Run)
	beside.run("policy", func(ctx context.Context) error { return d.registrar.Policies.Watch(ctx, d.layout.policy(), loads) })
	defer func() { err = errors.Join(err, beside.end()) }()

	urls := d.listeners.URLs()
	d.log.Info("serving", "version", version(), "https", urls.HTTPS, "http", urls.HTTP, "est", urls.EST, "ops", urls.Ops, "socket", urls.Socket)
	if readyFile != "" {
		if err := d.listeners.WriteReady(readyFile); err != nil {
			return fmt.Errorf("writing the ready file: %w", err)
		}
	}
	d.tell(notify.Ready)
	context.AfterFunc(ctx, func() { d.tell(notify.Stopping) })
	return d.server.Run(ctx, d.listeners)
}

// tell says to the service manager how the daemon is doing.
func (d *daemon) tell(s notify.State) {
	if err := notify.Send(os.Getenv, s); err != nil {
		d.log.Warn("the service manager was not told", "state", string(s), "error", err)
	}
}
