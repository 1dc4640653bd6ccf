package guard

import (
	"fmt"
	"time"
)

// A Duration is a time as time.ParseDuration reads it, or "never".
type Duration struct {
	D   time.Duration // 0: never
	set bool
}

// UnmarshalText reads a duration of at least a second, or "never".
func (d *Duration) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*d = Duration{0, true}
		return nil
	}
	v, err := time.ParseDuration(string(text))
	if err != nil || v < time.Second {
		return fmt.Errorf(`%q is neither a duration of at least 1s, such as "15m", nor "never"`, text)
	}
	*d = Duration{v, true}
	return nil
}

// Of returns the Duration d; 0 is never.
func Of(d time.Duration) Duration { return Duration{d, true} }

func (d *Duration) normal(or time.Duration) {
	if !d.set {
		*d = Of(or)
	}
}
