package main_test

import (
	"context"
	"errors"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// journaled opens the guard's journal as an auditor does who has its secret, whether the
// guard runs or not.
func (s *sentry) journaled(f func(*journal.Reader, journal.Opener)) {
	s.w.Helper()
	r, err := journal.OpenReader(s.journal)
	require.NoError(s.w, err)
	defer r.Close()
	o, err := journal.ReadKeys(s.journal, "")
	require.NoError(s.w, err)
	f(r, o)
}

// records returns the accesses in the guard's journal so far.
func (s *sentry) records() (all []record.Record) {
	s.w.Helper()
	s.journaled(func(r *journal.Reader, o journal.Opener) {
		for after := int64(0); ; {
			page, err := r.Records(context.Background(), after, 1000)
			require.NoError(s.w, err)
			if len(page) == 0 {
				return
			}
			for _, row := range page {
				after = row.Seq
				all = append(all, s.accessOf(o, row)...)
			}
		}
	})
	return all
}

// accessOf returns the access that an entry is of, if it is of one.
func (s *sentry) accessOf(o journal.Opener, row audit.Record) []record.Record {
	e, err := o.Keyring.Open(row.Leaf)
	require.NoError(s.w, err)
	r, err := record.Parse(e)
	if errors.Is(err, record.ErrOther) {
		return nil
	}
	require.NoError(s.w, err)
	return []record.Record{r}
}

// recorded returns the first record that is so, once it is there.
func (s *sentry) recorded(what string, is func(record.Record) bool) (found record.Record) {
	s.w.Helper()
	var all []record.Record
	require.Eventually(s.w, func() bool {
		all = s.records()
		for _, r := range all {
			if is(r) {
				found = r
				return true
			}
		}
		return false
	}, patience, 20*time.Millisecond, "no record %s", what)
	return found
}

// verify demands that the guard's journal adds up.
func (s *sentry) verify() audit.Report {
	s.w.Helper()
	var report audit.Report
	s.journaled(func(r *journal.Reader, o journal.Opener) {
		var err error
		report, err = journal.Verify(context.Background(), r, o)
		require.NoError(s.w, err)
		require.Empty(s.w, report.Findings)
	})
	return report
}
