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
