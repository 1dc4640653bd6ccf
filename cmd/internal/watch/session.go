package watch

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
)

// A session is one time that this daemon has the watch.
type session struct {
	*Watch
	engine *alert.Engine
	epoch  int64
	clock  time.Time // the engine's

	at      map[string]int64 // by log: the entries up to this one were read; "" is the CA's own
	moved   map[string]bool  // since the last step on record
	changes []alert.Change   // that are not on record
	silent  bool             // what comes of entries is on record already

	next   time.Time // of the first entry of the CA's log that waits, or that did; zero: none did
	heard  time.Time // journals that were heard of before are read
	waits  []string  // journals with more to read
	known  serials
	places places

	counted         time.Time // the lives that were measured last
	measured, saved time.Time
	savedAt         map[string]int64 // where the last snapshot stands
}

// short is how long a log is that is read from its beginning by a watch that begins for the
// first time; of a longer one it reads what comes from now on.
const short = 10_000

// begin takes the watch, and comes to where it stood: see the package's doc.
func (w *Watch) begin(ctx context.Context) (*session, error) {
	on, err := w.Store.TakeWatch(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	s := &session{Watch: w, epoch: on.Epoch, at: map[string]int64{}, moved: map[string]bool{}, clock: on.At, known: serials{}, places: places{}}
	kept, first, err := s.restore(ctx, on)
	if err != nil {
		return nil, err
	}
	if err := s.again(ctx, kept, on); err != nil {
		return nil, fmt.Errorf("going through what was watched: %w", err)
	}
	open, err := w.OpenAlerts(ctx)
	if err != nil {
		return nil, err
	}
	s.engine.Adopt(on.LastID, open)
	s.measured, s.saved = time.Time{}, w.Now()
	if first { // or a crash would have the next one pass over what comes until then
		return s, s.save(ctx)
	}
	return s, nil
}

// restore makes the engine of the snapshot, and returns where that stands, with the place
// from which each log is read; first says that there never was one.
func (s *session) restore(ctx context.Context, on store.Watch) (kept map[string]int64, first bool, err error) {
	b, err := s.Store.Snapshot(ctx, on)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.engine = alert.New(alert.Config{Memory: s.Memory})
		first = len(on.Positions) == 0
	case err != nil:
		return nil, false, err
	default:
		var engine []byte
		if kept, engine, err = unpack(b); err == nil {
			s.engine, err = alert.Restore(alert.Config{Memory: s.Memory}, engine)
		} else {
			s.engine = alert.New(alert.Config{Memory: s.Memory})
		}
		if err != nil {
			s.Log.WarnContext(ctx, "what the watch over the log had learned is lost", "error", err)
		}
	}
	if kept == nil { // of a log without a place, what was there before is passed over
		if kept, err = s.ends(ctx, first); err != nil {
			return nil, false, err
		}
		maps.Copy(kept, on.Positions)
	}
	return kept, first, nil
}

// ends returns where the logs end; for a first time, the beginning of those that are short.
func (s *session) ends(ctx context.Context, first bool) (map[string]int64, error) {
	heads, err := s.Store.JournalHeads(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	ends := map[string]int64{}
	for _, h := range append(heads, store.JournalHead{Size: s.Store.LogSize()}) {
		if !first || h.Size > short {
			ends[h.Origin] = h.Size
		}
	}
	return ends, nil
}

// again goes through the entries between the snapshot and the last step on record: the
// engine learns from them, and what comes of them is on record.
func (s *session) again(ctx context.Context, kept map[string]int64, on store.Watch) error {
	s.silent, s.clock = true, time.Time{}
	defer func() { s.silent = false }()
	maps.Copy(s.at, kept)
	for origin, to := range on.Positions {
		for s.at[origin] < to {
			before := s.at[origin]
			if _, err := s.read(ctx, origin, to); err != nil {
				return err
			}
			if s.at[origin] == before { // it has left its retention
				s.at[origin] = to
			}
		}
	}
	if on.At.After(s.clock) {
		s.clock = on.At
		s.engine.Tick(on.At)
	}
	clear(s.moved)
	return nil
}

// save keeps what was learned, if anything was since the last time.
func (s *session) save(ctx context.Context) error {
	if s.savedAt != nil && maps.Equal(s.savedAt, s.at) {
		return nil
	}
	b, err := pack(s.at, s.engine.Snapshot())
	if err != nil {
		return err
	}
	if err := s.Store.SaveSnapshot(ctx, s.epoch, b); err != nil {
		return err
	}
	s.savedAt = maps.Clone(s.at)
	return nil
}

// pack puts places in front of a snapshot.
func pack(at map[string]int64, engine []byte) ([]byte, error) {
	places, err := json.Marshal(at)
	if err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(places)+len(engine)), uint32(len(places)))
	return append(append(b, places...), engine...), nil
}

// unpack is the inverse of pack.
func unpack(b []byte) (at map[string]int64, engine []byte, err error) {
	if len(b) < 4 || int64(len(b)-4) < int64(binary.LittleEndian.Uint32(b)) {
		return nil, nil, errors.New("the snapshot is damaged")
	}
	n := binary.LittleEndian.Uint32(b)
	if err := json.Unmarshal(b[4:4+n], &at); err != nil {
		return nil, nil, fmt.Errorf("the snapshot is damaged: %w", err)
	}
	return at, b[4+n:], nil
}
