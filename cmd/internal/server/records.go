package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/audit/journal"
)

const (
	recordsTurns    = 16               // batches that are read at a time: 20 MiB
	recordsPatience = 30 * time.Second // with one that is sent slowly
	mediaBatch      = "application/vnd.betonica.journal-batch"
)

// errBatchTurn reports that a batch has to wait for others.
var errBatchTurn = errors.New("this machine, or many others, are shipping records at the moment")

// Records takes what guards ship of their journals.
type Records struct {
	receive  func(context.Context, archive.Sender, *journal.Batch) (journal.Ends, error)
	turns    chan struct{}
	patience time.Duration

	mu   sync.Mutex
	busy map[string]bool // identities whose batch is being read or recorded
}

// NewRecords returns one that hands batches to receive, whose sender's certificate was
// judged and whose statement is signed by a certificate of his.
func NewRecords(receive func(context.Context, archive.Sender, *journal.Batch) (journal.Ends, error)) *Records {
	return &Records{receive: receive, turns: make(chan struct{}, recordsTurns), patience: recordsPatience, busy: make(map[string]bool)}
}

// turn lets an identity bring a batch, if it is not doing so already and there is room;
// done ends it.
func (rec *Records) turn(identity string) (done func(), ok bool) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.busy[identity] {
		return nil, false
	}
	select {
	case rec.turns <- struct{}{}:
	default:
		return nil, false
	}
	rec.busy[identity] = true
	return func() {
		<-rec.turns
		rec.mu.Lock()
		defer rec.mu.Unlock()
		delete(rec.busy, identity)
	}, true
}

// records answers POST /v1/records: a guard brings a stretch of its journal, and hears
// which entry is wanted next and to which key the journal's data keys are to be sealed.
// Bringing what is there already is no error. A machine brings one batch at a time, 16
// machines at once do, each has half a minute for it: who is slow costs bounded memory,
// and only his own turn.
func (s *Server) records(w http.ResponseWriter, r *http.Request) error {
	if s.Records == nil {
		return errNoRoute
	}
	from := api.Source(r)
	presented := r.TLS.PeerCertificates
	if len(presented) == 0 {
		presented = append(presented, nil)
	}
	holder, err := s.Registrar.Holder(r.Context(), presented[0], from)
	if err != nil {
		return err
	}
	if r.Header.Get("Content-Type") != mediaBatch {
		return &api.BadRequestError{Status: http.StatusUnsupportedMediaType, Detail: "the body has to be " + mediaBatch}
	}
	done, ok := s.Records.turn(holder.Identity.Path)
	if !ok {
		return errBatchTurn
	}
	defer done()
	b, err := s.Records.read(w, r)
	if err != nil {
		return err
	}
	cert, err := b.Statement.Certificate()
	if err != nil {
		return &api.BadRequestError{Status: http.StatusBadRequest, Detail: err.Error()}
	}
	if !bytes.Equal(cert.Raw, holder.Certificate.DER) { // a certificate before or after this one
		other, err := s.Registrar.Holder(r.Context(), cert, from)
		if err != nil {
			return err
		}
		if other.Identity.Path != holder.Identity.Path {
			return &api.BadRequestError{Status: http.StatusBadRequest, Detail: "the journal's statement is another machine's"}
		}
	}
	ends, err := s.Records.receive(r.Context(), archive.Sender{Identity: holder.Identity.Path, Address: from.String(), RequestID: enroll.RequestID(r.Context())}, b)
	if err != nil {
		return recordsProblem(err)
	}
	body, err := json.Marshal(ends)
	if err != nil {
		return fmt.Errorf("encoding what is wanted of a journal: %w", err)
	}
	w.Header().Set("Content-Type", api.MediaJSON)
	w.Write(append(body, '\n')) // if the caller is gone, so be it
	return nil
}

// read reads a batch.
func (rec *Records) read(w http.ResponseWriter, r *http.Request) (*journal.Batch, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(rec.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, journal.MaxBatch))
	if tooLong, is := errors.AsType[*http.MaxBytesError](err); is {
		return nil, &api.BadRequestError{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("a batch has at most %d bytes", tooLong.Limit)}
	}
	if err != nil {
		return nil, &api.BadRequestError{Status: http.StatusBadRequest, Detail: "the batch did not arrive whole"}
	}
	control.SetReadDeadline(time.Time{})
	b, err := journal.ReadBatch(bytes.NewReader(text))
	if err != nil {
		return nil, &api.BadRequestError{Status: http.StatusBadRequest, Detail: err.Error()}
	}
	return b, nil
}

// recordsProblem says what a guard may know.
func recordsProblem(err error) error {
	if e, ok := errors.AsType[*archive.BatchError](err); ok {
		return &api.BadRequestError{Status: http.StatusBadRequest, Detail: e.Error()}
	}
	if e, ok := errors.AsType[*journal.ForkError](err); ok {
		return &enroll.ConflictError{Detail: e.Error()}
	}
	return err // a [*archive.FullError] among others
}
