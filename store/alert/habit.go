package alert

import (
	"encoding/binary"
	"encoding/hex"
	"time"
)

// A moment is a time in seconds of Unix, which 32 bits hold until 2106; 0 is none.
type moment uint32

func momentOf(t time.Time) moment {
	if s := t.Unix(); s > 0 && s < 1<<32 {
		return moment(s)
	}
	return 0
}

func (m moment) time() time.Time { return time.Unix(int64(m), 0).UTC() }

func (m moment) String() string { return m.time().Format("2006-01-02T15:04:05Z") }

// since returns how long before m another moment was; negative: it was after.
func (m moment) since(o moment) time.Duration {
	return time.Duration(int64(m)-int64(o)) * time.Second
}

// apart returns how far two moments lie apart, whichever was first.
func (m moment) apart(o moment) time.Duration { return m.since(o).Abs() }

// A citation is an entry, as memory has room for it.
type citation struct {
	Origin uint64 // hash of the log's name
	Seq    int64
}

// A habit is what is known of one machine. It is what [Config.Memory] is spent on.
type habit struct {
	First, Last moment // heard of, by facts
	LastCited   citation
	LastNet     network

	Nets   [4]lair     // networks that it is at home in
	Uses   seen        // what it has used
	Gaps   tally       // seconds of silence
	Turns  [4]turn     // its newest uses, where they came from
	Hours  [2]hour     // the load of now, and of one that is told late
	Load   tally       // bytes of its hours, in KiB
	Asks   tally       // and requests
	Newest certificate // the newest that was issued to it
	Shown  certificate // the newest that a guard saw
	Period moment      // since when Renewed counts
	Count  uint16      // of renewals in one life of a certificate
}

// A lair is a network that a machine uses.
type lair struct {
	Net         network
	Since, Last moment
}

// A turn is a use, or many in a row, of one key from one network before one guard.
type turn struct {
	Net   network
	Seq   int64
	At    moment
	Guard uint32 // hashes
	Key   uint32
}

// An hour is what passed in one.
type hour struct {
	Hour  uint32 // of Unix; 0: none
	Asks  uint32
	Bytes int64
}

// A certificate is one of a machine's. Gen rises from one to the next.
type certificate struct {
	Gen         uint64
	Start, Ends moment
	From        uint64 // hash of the address
	Cited       citation
}

// generation returns the first 64 bits of a serial number, which begin with the time that
// it was issued at: of two of one machine, the larger is the newer. 0 is no serial of ours.
func generation(serial string) uint64 {
	gen, _ := serialOf(serial)
	return gen
}

// serialOf returns the halves of a serial number of 32 hex digits.
func serialOf(serial string) (high, low uint64) {
	var b [16]byte
	if n, err := hex.Decode(b[:], []byte(serial)); len(serial) != 32 || err != nil || n != len(b) {
		return 0, 0
	}
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// age returns how long a machine has been known.
func (h *habit) age(now moment) time.Duration { return now.since(h.First) }

// at returns the lair of a network; nil: the machine is not known there.
func (h *habit) at(n network) *lair {
	for i := range h.Nets {
		if h.Nets[i].Net == n && n != 0 {
			return &h.Nets[i]
		}
	}
	return nil
}

// home returns the network that it was used from for longest.
func (h *habit) home() network {
	var home lair
	for _, l := range h.Nets {
		if l.Net != 0 && (home.Net == 0 || l.Since < home.Since) {
			home = l
		}
	}
	return home.Net
}

// dwell puts down that the machine was in a network.
func (h *habit) dwell(n network, at moment) {
	if n == 0 {
		return
	}
	l := h.at(n)
	if l == nil {
		l = &h.Nets[0]
		for i := range h.Nets {
			if h.Nets[i].Last < l.Last {
				l = &h.Nets[i]
			}
		}
		*l = lair{n, at, at}
	}
	l.Last, l.Since = max(l.Last, at), min(l.Since, at)
}
