// Package ship brings a guard's journal to the CA's archive: batch after batch, each
// entry once, from where the CA says that it is. It keeps nothing but that number, and
// removes nothing: the journal does, later.
package ship

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/audit/journal"
)

const (
	look     = 5 * time.Second // between looks at whether more was signed for
	hour     = time.Hour       // between questions at the CA while there is nothing new
	patience = 2 * time.Minute // with one batch
	minPause = time.Second     // after failures
	maxPause = 5 * time.Minute
	media    = "application/vnd.betonica.journal-batch"
)

// A Journal is what is shipped: a [*journal.Journal].
type Journal interface {
	Batch(ctx context.Context, e journal.Ends) (*journal.Batch, error)
	Shipped(last int64) error
	Stats() journal.Stats
}

// Config is what a [Shipper] is made of. Every field is required.
type Config struct {
	Journal Journal
	URL     string       // of the CA's HTTPS listener
	Client  *http.Client // with the machine's certificate; it trusts the CA alone
	Log     *slog.Logger
}

// A Shipper brings one journal to the CA. It holds one batch at a time, at most some
// 3 MiB.
type Shipper struct {
	Config
	ends  journal.Ends
	asked bool // ends is what the CA said
	look  time.Duration
	pause time.Duration
}

// New returns a Shipper; [Shipper.Run] runs it.
func New(c Config) *Shipper { return &Shipper{Config: c, look: look, pause: minPause} }

// Run ships until ctx ends. What the journal has signed for goes within seconds; while
// the CA cannot be reached it is asked again after a second, and later after up to five
// minutes. A CA that says when to come again is asked then, within the hour; one that
// refuses the journal as another history once an hour. What stands in the way is in the
// log once, and again each hour.
func (s *Shipper) Run(ctx context.Context) {
	pause, said := s.pause, ""
	var last, saidAt time.Time // when the CA was asked, and when the log has it
	for ctx.Err() == nil {
		wait := s.look
		if signed := s.Journal.Stats().Signed; !s.asked || s.ends.Next <= signed || time.Since(last) > hour {
			last = time.Now()
			asked := s.asked
			err := s.Once(ctx)
			done := err == nil && (asked || s.ends.Next > signed) // not merely told where to go on
			switch {
			case ctx.Err() != nil:
				return
			case done && said != "":
				s.Log.InfoContext(ctx, "the CA takes the journal again", "next", s.ends.Next)
				said = ""
			case err != nil && (err.Error() != said || time.Since(saidAt) >= hour):
				s.Log.ErrorContext(ctx, "the journal was not shipped", "error", err, "next", s.ends.Next)
				said, saidAt = err.Error(), time.Now()
			}
			later, isLater := errors.AsType[*laterError](err)
			if done {
				pause = s.pause
			}
			if err == nil {
				wait = 0
			} else {
				s.asked = s.asked && isLater   // it knows where we are, and has no room or no time
				wait = pause/2 + rand.N(pause) // guards that lost the CA together come back apart
				pause = min(2*pause, maxPause)
			}
			if isLater {
				wait += later.after
			}
			if errors.Is(err, errRefused) || errors.Is(err, journal.ErrDamaged) {
				wait = hour
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// errRefused reports a CA that does not take the journal, whatever it sends.
var errRefused = errors.New("the CA does not take the journal")

// Once ships one batch, or asks what the CA has if that is not known.
func (s *Shipper) Once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	from := s.ends
	if !s.asked {
		from = journal.Ends{}
	}
	b, err := s.Journal.Batch(ctx, from)
	if err != nil {
		return err
	}
	body, err := b.Encode()
	if err != nil {
		return err
	}
	ends, err := s.post(ctx, body)
	if err != nil {
		return err
	}
	if ends.Next < 1 || len(ends.Reader) == 0 {
		return errors.New("shipping the journal: the CA's answer has no next entry, or no key")
	}
	s.ends, s.asked = ends, true
	return s.Journal.Shipped(ends.Next - 1)
}

func (s *Shipper) post(ctx context.Context, body []byte) (ends journal.Ends, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.URL, "/")+api.PathRecords, bytes.NewReader(body))
	if err != nil {
		return ends, err
	}
	req.Header.Set("Content-Type", media)
	resp, err := s.Client.Do(req)
	if err != nil {
		s.Client.CloseIdleConnections()                // perhaps it is for the certificate of before
		if inner := errors.Unwrap(err); inner != nil { // without method and URL
			err = inner
		}
		return ends, fmt.Errorf("shipping the journal: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return ends, fmt.Errorf("shipping the journal: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, &ends); err != nil {
			return ends, fmt.Errorf("shipping the journal: the CA's answer: %w", err)
		}
		return ends, nil
	}
	return ends, answered(resp, text, time.Now())
}
