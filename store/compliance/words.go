package compliance

import (
	"fmt"
	"strconv"
	"time"
)

func text(format string, args ...any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

func pass(format string, args ...any) verdict {
	return verdict{state: Pass, found: text(format, args...)}
}

func untested(format string, args ...any) verdict {
	return verdict{state: NotTested, found: text(format, args...)}
}

func inapplicable(format string, args ...any) verdict {
	return verdict{state: NotApplicable, found: text(format, args...)}
}

// failed takes what shows it.
func failed(c Count, format string, args ...any) verdict {
	return verdict{state: Fail, found: text(format, args...), Count: c}
}

// number writes a number with its thousands apart: 1,204.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Number is number, for who writes reports.
func Number(n int64) string { return number(n) }

// Counted is counted, for who writes reports.
func Counted(n int64, one string) string { return counted(n, one) }

// counted is a number with its noun; many ends in s.
func counted(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + plural(one)
}

func plural(one string) string {
	switch {
	case one == "identity":
		return "identities"
	case one == "entry":
		return "entries"
	case one == "relying party":
		return "relying parties"
	case one == "person":
		return "people"
	case one == "access":
		return "accesses"
	case one == "history":
		return "histories"
	}
	return one + "s"
}

func date(t time.Time) string { return t.UTC().Format("2 January 2006") }

// length writes a length of time in its largest unit: "43 seconds", "12 days".
func length(d time.Duration) string {
	switch d = d.Abs(); {
	case d >= 2*366*day:
		return counted(int64(d/(365*day)), "year")
	case d >= 2*day:
		return counted(int64(d/day), "day")
	case d >= 2*time.Hour:
		return counted(int64(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return counted(int64(d/time.Minute), "minute")
	}
	return counted(int64(d/time.Second), "second")
}

// Length is length, for who writes reports.
func Length(d time.Duration) string { return length(d) }

// were, are and have are counted with their verb.
func were(n int64, one string) string { return counted(n, one) + verb(n, " was", " were") }
func are(n int64, one string) string  { return counted(n, one) + verb(n, " is", " are") }
func have(n int64, one string) string { return counted(n, one) + verb(n, " has", " have") }

func verb(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
