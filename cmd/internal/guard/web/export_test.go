package web

import "time"

// OpenAfter has requests that last so long on record while they are under way.
func OpenAfter(g *Gate, d time.Duration) { g.openAfter = d }
