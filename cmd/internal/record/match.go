package record

import (
	"crypto/sha256"
	"iter"
	"slices"
	"time"
)

// A Verdict is what became of a record when two journals were put side by side.
type Verdict string

const (
	Matched    Verdict = "matched"    // both ends have it, and digested the same
	Mismatched Verdict = "mismatched" // both ends have it, and a payload was another at one end
	Undigested Verdict = "undigested" // both ends have it, and no payload passed both of them whole
	OnlyA      Verdict = "only in A"
	OnlyB      Verdict = "only in B"
)

// An End is what one journal says of an access.
type End struct {
	Begin             time.Time
	Caller            string
	Operation         string
	Request, Response Digest
}

// A Pair is an access, as both ends of its connection have it, or one.
type Pair struct {
	Verdict Verdict
	Link    string
	Number  string
	A, B    *End
}

// Match pairs the records of two journals by their connection and number, and yields
// them: first those of b, in their order, then what is only in a. Records of what
// has not ended, as a long access begins with, have no digests yet and are passed over, and
// so is what no connection binds.
// Where one end has several of a number, as only a caller who repeats himself makes, those
// that digest alike are paired.
//
// It holds some 300 bytes for each record of a; b it does not hold.
func Match(a, b iter.Seq2[Record, error]) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		held := make(map[[16]byte][]half)
		names := make(map[string]string)
		var order [][16]byte
		for r, err := range a {
			if err != nil {
				yield(Pair{}, err)
				return
			}
			if !r.pairs() {
				continue
			}
			k := r.place()
			held[k] = append(held[k], halfOf(r, names))
			order = append(order, k)
		}
		for r, err := range b {
			if err != nil {
				yield(Pair{}, err)
				return
			}
			if r.pairs() && !yield(pair(held, r), nil) {
				return
			}
		}
		for _, k := range order {
			for _, h := range held[k] {
				if !yield(Pair{Verdict: OnlyA, Link: h.link, Number: h.number, A: &h.end}, nil) {
					return
				}
			}
			delete(held, k)
		}
	}
}

// A half is a record of a that waits for its other.
type half struct {
	link, number string
	end          End
}

// pairs says whether another end can have r, too.
func (r Record) pairs() bool { return r.Link != "" && !r.End.IsZero() }

// place is where on which connection r is.
func (r Record) place() [16]byte {
	h := sha256.Sum256([]byte(r.Link + " " + r.Number))
	return [16]byte(h[:])
}

func halfOf(r Record, names map[string]string) half {
	name, ok := names[r.Caller]
	if !ok {
		name = r.Caller
		names[name] = name
	}
	return half{r.Link, r.Number, End{r.Begin, name, r.Operation, r.Request, r.Response}}
}

// pair takes out of held what belongs to r.
func pair(held map[[16]byte][]half, r Record) Pair {
	b := halfOf(r, map[string]string{}).end
	p := Pair{Link: r.Link, Number: r.Number, B: &b}
	k := r.place()
	all := held[k]
	if len(all) == 0 {
		p.Verdict = OnlyB
		return p
	}
	at := max(0, slices.IndexFunc(all, func(h half) bool { return compare(h.end, b) == Matched }))
	a := all[at].end
	p.A, p.Verdict = &a, compare(a, b)
	if held[k] = slices.Delete(all, at, at+1); len(held[k]) == 0 {
		delete(held, k)
	}
	return p
}

// compare puts the digests side by side that both have.
func compare(a, b End) Verdict {
	verdict := Undigested
	for _, d := range [][2]Digest{{a.Request, b.Request}, {a.Response, b.Response}} {
		switch {
		case d[0] == Digest{} || d[1] == Digest{}:
		case d[0] != d[1]:
			return Mismatched
		default:
			verdict = Matched
		}
	}
	return verdict
}
