package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/betonica/betonica/enroll/api"
	rate "github.com/betonica/betonica/enroll/limit"
)

// patternEvidence is where anybody may bring a revocation list of ours that he holds.
const patternEvidence = "POST /crl/{issuer}/evidence"

// Bounds of what strangers bring. A list of a running daemon's is a delta, as a rule.
const (
	maxEvidence      = 4 << 20  // bytes
	maxEvidenceWhole = 64 << 20 // bytes, where full lists are wanted: what a relying party holds at most
	evidenceEach     = 6        // lists of one source in a minute
	evidenceAll      = 120      // of all together
	evidenceAtOnce   = 2        // that are read, in memory

	evidenceWait   = 5 * time.Second  // for one's turn
	evidenceFirst  = 3 * time.Second  // until a body has begun to come
	evidenceRate   = 512 << 10        // bytes of it in each second after that, at least
	evidenceWithin = 25 * time.Second // until it is there, whatever its length
)

// HeaderEvidence tells relying parties that their lists are wanted, and why there are
// none to fetch.
const HeaderEvidence = "Betonica-Evidence"

// An Evidence takes revocation lists from strangers, few at a time: what it hands on is
// no longer than it may be, and nothing else was checked.
type Evidence struct {
	take  func(der []byte) (news bool, err error)
	max   int64
	turns chan struct{}
	each  *rate.Window[netip.Prefix]
	all   *rate.Window[struct{}]
}

// NewEvidence returns an Evidence for the daemon that runs. take verifies a list, and
// says whether it proves something; an error of its own is a [*api.BadRequestError].
func NewEvidence(take func(der []byte) (news bool, err error)) *Evidence {
	return newEvidence(maxEvidence, take)
}

func newEvidence(max int64, take func([]byte) (bool, error)) *Evidence {
	return &Evidence{
		take: take, max: max, turns: make(chan struct{}, evidenceAtOnce),
		each: rate.NewWindow[netip.Prefix](evidenceEach, time.Minute), all: rate.NewWindow[struct{}](evidenceAll, time.Minute),
	}
}

// page answers POST /crl/{issuer}/evidence: 202 if the list proves something, 204 if it
// does not.
func (e *Evidence) page(w http.ResponseWriter, r *http.Request) error {
	now := time.Now()
	if e.each.Count(rate.Source(api.Source(r)), now) > 0 || e.all.Count(struct{}{}, now) > 0 {
		return errTooOften
	}
	if r.ContentLength < 0 || r.ContentLength > e.max {
		return &api.BadRequestError{Status: http.StatusRequestEntityTooLarge, Detail: "a list has at most " + strconv.FormatInt(e.max, 10) + " bytes, and says how many"}
	}
	wait := time.NewTimer(evidenceWait)
	defer wait.Stop()
	select {
	case e.turns <- struct{}{}:
		defer func() { <-e.turns }()
	case <-wait.C:
		return errNoTurn
	}
	der, err := readList(w, r)
	if err != nil {
		return err
	}
	news, err := e.take(der)
	if err != nil {
		return err
	}
	w.WriteHeader(map[bool]int{true: http.StatusAccepted, false: http.StatusNoContent}[news])
	return nil
}

// readList reads a body that says its length. One that does not keep the pace is given
// up: whoever sends slowly would keep others from their turns for as long as the server
// lets a request take.
func readList(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	der := make([]byte, r.ContentLength)
	conn := http.NewResponseController(w)
	begin := time.Now()
	for n := 0; n < len(der); {
		pace := evidenceFirst + time.Duration(n)*time.Second/evidenceRate
		if err := conn.SetReadDeadline(begin.Add(min(pace, evidenceWithin))); err != nil {
			return nil, err
		}
		more, err := r.Body.Read(der[n:])
		n += more
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // and so the connection ends
			return nil, &api.BadRequestError{Status: http.StatusRequestTimeout, Detail: "the body comes too slowly"}
		case err != nil && n < len(der):
			return nil, &api.BadRequestError{Status: http.StatusBadRequest, Detail: "the body cannot be read to its end"}
		}
	}
	return der, nil // at the body's end net/http lifts the deadline
}

// unless answers 503 as long as stopped says why nothing may be served.
func (s *Server) unless(stopped func() error, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := stopped(); err != nil {
			s.problem(w, r, err)
			return
		}
		next(w, r)
	}
}

// CollectEvidence returns a server that takes lists, and answers everything else with a
// request for them. It has the limits of the daemon's own.
func CollectEvidence(take func(der []byte) (news bool, err error)) *http.Server {
	s := &Server{Log: slog.New(slog.DiscardHandler)}
	e := newEvidence(maxEvidenceWhole, take)
	e.each = rate.NewWindow[netip.Prefix](10*evidenceEach, time.Minute) // many may come through one gateway
	mux := http.NewServeMux()
	s.route(mux, patternEvidence, e.page)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(HeaderEvidence, "wanted")
		w.Header().Set("Retry-After", "30")
		s.problem(w, r, errRecovering)
	})
	return s.serverOf(mux)
}

var (
	errRecovering = errors.New("the CA is being recovered")
	errTooOften   = errors.New("too many lists are brought in a minute")
	errNoTurn     = errors.New("others are bringing lists")
)
