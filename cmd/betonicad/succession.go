package main

import (
	"bytes"
	"reflect"

	"github.com/betonica/betonica/revoke/crl"
)

// follows says whether s may take the place of before: it has everything that before
// has, and nothing of it is older.
func (s *secrets) follows(before *secrets) bool {
	if !s.root.Equal(before.root) || s.roster.Revision < before.roster.Revision {
		return false
	}
	for _, one := range before.intermediates {
		if now := s.intermediate(one.id); now == nil || !now.Equal(one.certificate) {
			return false
		}
	}
	for _, o := range before.roster.Orders {
		for _, p := range s.roster.Orders {
			if o.Revision == p.Revision && !reflect.DeepEqual(o, p) {
				return false
			}
		}
	}
	list, err := crl.Open(s.statement.CRL, s.root)
	if err != nil {
		return false
	}
	last, err := crl.Open(before.statement.CRL, s.root)
	return err == nil && (list.Number() > last.Number() || bytes.Equal(s.statement.CRL, before.statement.CRL))
}
