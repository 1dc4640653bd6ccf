package server

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/store"
)

// RetentionConfig is [retention]: what leaves the database when.
type RetentionConfig struct {
	// Certificates is how long a certificate stays after it ended. From 31 days, the
	// longest that a revocation list may be good for, to 10 years; default "90d". That
	// it was revoked is known for a year and a half at least.
	Certificates CertificateAge `toml:"certificates"`

	// Tokens is how long a join token stays after its end. From 1 day to 10 years;
	// default "30d".
	Tokens TokenAge `toml:"tokens"`

	// Audit is how long an entry of the log stays in the database before it goes into
	// the archive. From 6 years to 100; default "6y".
	Audit AuditAge `toml:"audit"`

	// Records is how long what guards ship of their journals stays after it came. From
	// 6 years to 100; default "6y".
	Records RecordsAge `toml:"records"`

	// ShortRecords lets Records be from 1 day. Dangerous: access records that are gone
	// prove nothing, and 45 CFR 164.316(b)(2) has them kept for six years; betonicad
	// doctor warns of it.
	ShortRecords bool `toml:"records_below_six_years"`
}

// RecordsAge is from 1 day to 100 years.
type RecordsAge struct{ time.Duration }

// UnmarshalText takes a number of days or years.
func (a *RecordsAge) UnmarshalText(text []byte) (err error) {
	a.Duration, err = age("retention.records", text, day, 100*year)
	return err
}

// check says whether records leave before their time by mistake.
func (r RetentionConfig) check() error {
	if r.Records.Duration != 0 && r.Records.Duration < store.SixYears && !r.ShortRecords {
		return fmt.Errorf("retention.records is %d days, and access records have to stay for six years (45 CFR 164.316(b)(2)); where that does not apply, set retention.records_below_six_years = true before it", r.Records.Duration/day)
	}
	return nil
}

// CertificateAge is from 31 days to 10 years.
type CertificateAge struct{ time.Duration }

// UnmarshalText takes a number of days or years: "90d", "2y".
func (a *CertificateAge) UnmarshalText(text []byte) (err error) {
	a.Duration, err = age("retention.certificates", text, 31*day, 10*year)
	return err
}

// TokenAge is from 1 day to 10 years.
type TokenAge struct{ time.Duration }

// UnmarshalText takes a number of days or years.
func (a *TokenAge) UnmarshalText(text []byte) (err error) {
	a.Duration, err = age("retention.tokens", text, day, 10*year)
	return err
}

// AuditAge is from 6 years to 100.
type AuditAge struct{ time.Duration }

// UnmarshalText takes a number of days or years.
func (a *AuditAge) UnmarshalText(text []byte) (err error) {
	a.Duration, err = age("retention.audit", text, store.SixYears, 100*year)
	return err
}

const (
	day  = 24 * time.Hour
	year = 366 * day // of which none is longer: nothing leaves early
)

func age(key string, text []byte, least, most time.Duration) (time.Duration, error) {
	unit := day
	digits, years := strings.CutSuffix(string(text), "y")
	if years {
		unit = year
	} else {
		digits = strings.TrimSuffix(digits, "d")
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || digits == string(text) {
		return 0, fmt.Errorf("%s: %q is not a time such as \"90d\" or \"6y\"", key, text)
	}
	if d := time.Duration(n) * unit; d >= least && d <= most {
		return d, nil
	}
	return 0, fmt.Errorf("%s is %s; it must be from %d to %d days", key, text, least/day, most/day)
}

// StoreRetention is what [retention] and [audit] say of what leaves, as the store takes it.
func (c *Config) StoreRetention() store.Retention {
	return store.Retention{
		Certificates: c.Retention.Certificates.Duration, Tokens: c.Retention.Tokens.Duration,
		Audit: c.Retention.Audit.Duration, Archive: c.Audit.Archive,
		Records: c.Retention.Records.Duration, ShortRecords: c.Retention.ShortRecords,
	}
}
