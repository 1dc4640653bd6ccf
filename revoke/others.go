package revoke

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/betonica/betonica/store"
)

const (
	topicList = "list"                 // of notices: "issuer kind number"
	lookEvery = 2 * time.Second        // at what others have published, if nobody tells of it
	lookPause = 20 * time.Millisecond  // between two looks, at least
	askWithin = 10 * time.Second       // the store, of a delta
	theirTurn = 300 * time.Millisecond // to tell of what they have revoked
	baseAfter = 3 * time.Second        // until every process serves a full list that deltas build on
	fullGrace = 30 * time.Second       // for who is to sign full lists
)

// errLapsed is why a process that does not hear of others' revocations signs nothing.
var errLapsed = store.InTrouble(store.TroubleLapsed, errors.New("it is not known here what other daemons revoke: nothing about revocation is signed until it is"))

// others are the processes that sign the same lists, as one of them sees them: what
// there is to look for. Its methods may be called concurrently.
type others struct {
	offset  offset
	mu      sync.Mutex
	stale   bool            // there may be a list that is not served here
	waiting []chan struct{} // closed after the next look
	looked  time.Time
	refused map[string]store.CRL // by kind: what lies in the store and is none of ours
}

func newOthers() *others { return &others{refused: map[string]store.CRL{}} }

// announce has other processes look for a list.
func (p *Publisher) announce(ctx context.Context, kind string, number int64) {
	payload := p.Authority.IssuerID() + " " + kind + " " + strconv.FormatInt(number, 10)
	if err := p.Store.Notify(ctx, topicList, payload); err != nil {
		p.Log.DebugContext(ctx, "announcing a CRL", "error", err) // they find it in two seconds
	}
}

// notice hears of a list, in the feed's goroutine.
func (p *Publisher) notice(payload string) {
	if issuer, rest, ok := strings.Cut(payload, " "); ok {
		kind, text, _ := strings.Cut(rest, " ")
		number, _ := strconv.ParseInt(text, 10, 64)
		if issuer != p.Authority.IssuerID() || kind == kindDelta && number <= p.Delta().Number || kind == kindFull && number <= p.Full().Number {
			return
		}
	}
	p.others.doubt()
	p.poke()
}

// catchUp returns what is closed once we serve what anybody served when it was called.
func (p *Publisher) catchUp() <-chan struct{} {
	defer p.poke()
	return p.others.await()
}

// await returns what is closed after the next look: one for all who ask before that.
func (o *others) await() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		o.waiting = []chan struct{}{make(chan struct{})}
	}
	return o.waiting[len(o.waiting)-1]
}

// doubt has the next look taken at once.
func (o *others) doubt() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stale = true
}

// due returns when to look.
func (o *others) due() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stale || len(o.waiting) > 0 {
		return o.looked.Add(lookPause)
	}
	return o.looked.Add(lookEvery)
}

// begin is called before a look: it returns who waits for it.
func (o *others) begin() []chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	waiting := o.waiting
	o.waiting, o.stale, o.looked = nil, false, time.Now()
	return waiting
}

// failed has the next look serve those who waited for this one.
func (o *others) failed(waiting []chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = append(waiting, o.waiting...)
	o.looked = o.looked.Add(lookEvery / 4) // not again at once
}

// refuse remembers what lies in the store and is none of ours; isRefused reports
// whether a row is one that was refused.
func (o *others) refuse(kept store.CRL) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused[kept.Kind] = kept
}

func (o *others) isRefused(kind string, number int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept, ok := o.refused[kind]
	return ok && kept.Number == number
}

// allRefused returns what was refused, of any kind.
func (o *others) allRefused() (all []store.CRL) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, kept := range o.refused {
		all = append(all, kept)
	}
	return all
}

// forgive forgets what was refused of a kind: another list lies there now.
func (o *others) forgive(kind string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.refused, kind)
}
