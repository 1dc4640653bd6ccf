package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// health is what the writer met last.
type health struct {
	mu  sync.Mutex
	err error // nil: well
}

// Health returns what keeps the store from recording, or nil: [ErrDiskFull], or
// that the database cannot be reached; [TroubleOf] names it. It is what the writer
// met last, and no more than a few seconds old; a store that was ill is tried every
// second and recovers by itself. Two things stay: [ErrNewerSchema], where a newer
// program has changed the database while this process was away, and damage that
// somebody read.
func (d *DB) Health() error {
	if err := d.Stopped(); err != nil {
		return err
	}
	if err := d.feed.refusal(); err != nil {
		return err
	}
	if err := d.writer.health.get(); err != nil {
		return err
	}
	if err := d.clock.check(); err != nil {
		return err
	}
	return d.engine.damaged()
}

func (h *health) get() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// met records the outcome of a transaction. A full disk stays full until a probe
// finds room: a revocation that found its place in the ballast does not mean that
// there is any for others.
func (h *health) met(err error, probe bool, log *slog.Logger) {
	h.mu.Lock()
	was := h.err
	if err == nil && errors.Is(was, ErrDiskFull) && !probe {
		err = was
	}
	h.err = err
	h.mu.Unlock()
	switch {
	case err != nil && was == nil:
		log.Error("the store is ill", "error", err)
	case err == nil && was != nil:
		log.Info("the store is well again", "was", was)
	}
}

// stops returns why a call is refused at once: on a full disk, while the clock is
// wrong, and where the database is damaged, everything is that revoking can do
// without.
func (w *writer) stops(c *call) error {
	switch {
	case c.essential:
		return nil
	case errors.Is(w.health.get(), ErrDiskFull):
		return ErrDiskFull
	}
	if err := w.db.clock.check(); err != nil {
		return err
	}
	return w.engine.damaged()
}

// look is taken every second: at the database's health, and, where there is no
// session for it, at what other processes revoked.
func (w *writer) look(ctx context.Context) {
	ctx, cancel := w.engine.limit(ctx)
	defer cancel()
	err := w.probe(ctx)
	if err != nil && w.session != nil {
		w.rollback(ctx)
	}
	w.health.met(err, true, w.db.cfg.Log)
}

// probe reads what was revoked elsewhere, which on PostgreSQL finds what the feed has
// not delivered yet; where the store was ill it writes too, because that is what has
// to work again.
func (w *writer) probe(ctx context.Context) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	server, err := w.engine.clock(ctx, w.session)
	if err != nil {
		w.disconnect()
		return err
	}
	w.db.clock.compare(server)
	was := w.health.get()
	if was == nil {
		revocations, err := w.db.feed.unseen(ctx, w.session)
		if err != nil {
			w.disconnect()
			return err
		}
		w.db.feed.deliver(revocations)
		return nil
	}
	if errors.Is(was, ErrDiskFull) {
		if err := w.engine.room(); err != nil {
			return err
		}
	}
	if err := w.engine.begin(ctx, w.session, false); err != nil {
		return err
	}
	if _, err := w.session.exec(ctx, `
		INSERT INTO meta (key, value) VALUES ('probe', $1)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value`, []byte(w.db.cfg.Now().UTC().String())); err != nil {
		return err
	}
	durable, err := w.engine.finish(ctx, w.session, nil, nil)
	if err != nil || durable == nil {
		return err
	}
	return durable()
}
