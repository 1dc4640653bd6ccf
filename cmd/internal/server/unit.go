package server

import (
	"fmt"
	"time"
)

// A Duration is a text such as "10s" or "24h".
type Duration struct{ time.Duration }

// UnmarshalText takes what time.ParseDuration does.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is not a time such as \"10s\" or \"24h\"", text)
	}
	d.Duration = v
	return nil
}

// within fills in the default, and bounds what was given.
func (d *Duration) within(key string, def, least, most time.Duration) error {
	if d.Duration == 0 {
		d.Duration = def
	}
	if d.Duration < least || d.Duration > most {
		return fmt.Errorf("%s is %s; it must be from %s to %s", key, d.Duration, least, most)
	}
	return nil
}

// Bytes is a size, as a number of bytes.
type Bytes int

func (b *Bytes) within(key string, def, least, most Bytes) error {
	if *b == 0 {
		*b = def
	}
	if *b < least || *b > most {
		return fmt.Errorf("%s is %d bytes; it must be from %d to %d", key, *b, least, most)
	}
	return nil
}
