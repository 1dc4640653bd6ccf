package alert

// A mark is how far a log was told: the highest number, and which of the 64 below it were.
// It is the window against replay of RFC 4303, Section 3.4.3, here against repetition.
type mark struct {
	Top  int64
	Seen uint64 // bit n: Top-n
}

// fresh reports whether a fact is new, and marks it. What is more than 63 numbers below the
// highest counts as known. Measured facts are always new.
func (e *Engine) fresh(f *Fact) bool {
	key := e.hash("origin", f.Origin)
	f.log = key
	if f.Seq <= 0 {
		return true
	}
	m := e.marks.put(key)
	switch behind := m.Top - f.Seq; {
	case behind < 0:
		if behind > -64 {
			m.Seen <<= uint(-behind)
		} else {
			m.Seen = 0
		}
		m.Top, m.Seen = f.Seq, m.Seen|1
	case behind >= 64 || m.Seen&(1<<uint(behind)) != 0:
		e.stats.Repeated++
		return false
	default:
		m.Seen |= 1 << uint(behind)
	}
	e.names[key] = f.Origin
	return true
}

// cite returns an entry that memory holds; one of a log that is forgotten has no number.
func (e *Engine) cite(c citation) Ref {
	if name, ok := e.names[c.Origin]; ok {
		return Ref{name, c.Seq}
	}
	return Ref{}
}

func (f *Fact) citation() citation { return citation{f.log, f.Seq} }
