package enroll

import (
	"net/netip"
	"time"

	"github.com/betonica/betonica/enroll/limit"
	"github.com/betonica/betonica/store"
)

// badTokens counts bad tokens by source and by token. It answers only for bad
// ones: a good token passes whatever its neighbours do.
type badTokens struct {
	sources *limit.Window[netip.Prefix]
	tokens  *limit.Window[store.TokenID]
}

func newBadTokens() *badTokens {
	return &badTokens{
		sources: limit.NewWindow[netip.Prefix](5, time.Minute),
		tokens:  limit.NewWindow[store.TokenID](20, time.Hour),
	}
}

// count counts one bad token, and returns how long its bearer shall wait: 0 if
// there were not too many. token is nil if there is no such token.
func (b *badTokens) count(from netip.Addr, token *store.TokenID, now time.Time) time.Duration {
	wait := b.sources.Count(limit.Source(from), now)
	if token != nil {
		wait = max(wait, b.tokens.Count(*token, now))
	}
	return wait
}

// often counts what one credential has recorded of it: nobody's refusals and alarms make
// the log grow as fast as he likes.
type often struct{ window *limit.Window[string] }

// mostOften is how much is recorded at once of the same thing in a minute.
const mostOften = 60

func newOften() *often { return &often{limit.NewWindow[string](mostOften, time.Minute)} }

// count counts what is to be recorded, and reports whether it has been too much of it.
func (o *often) count(what string, now time.Time) bool { return o.window.Count(what, now) > 0 }
