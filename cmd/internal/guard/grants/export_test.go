package grants

import (
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// RequestOf returns what a record says was asked for.
func RequestOf(r record.Record) *allow.Request {
	a, _ := accessOf(r)
	return a.request()
}
