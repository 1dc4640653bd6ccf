package alert

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var soakDays = flag.Int("soak-days", 30, "days that the hospital of TestSoak lives through")

// A hospital is 5,000 machines of 20 sites, whose guards tell what they do.
type hospital struct {
	*world
	rand     *rand.Rand
	machines []*machine
	skew     map[int]time.Duration // of a site's clocks
	late     map[int][]Fact        // what a site's guard has not told yet
	cut      map[int]bool          // a site whose guard cannot reach the CA
}

type machine struct {
	id, serial string
	site       int
	address    [4]byte
	since      time.Time // its connection
	renew      time.Time
	night      bool // it is switched off from 20 to 6 o'clock
	lossy      bool // its connection loses answers
}

const (
	sites   = 20
	perSite = 250
)

func newHospital(t testing.TB) *hospital {
	h := &hospital{newWorld(t), rand.New(rand.NewPCG(1, 2)), nil, map[int]time.Duration{}, map[int][]Fact{}, map[int]bool{}}
	h.tell(Fact{Kind: Window, Other: "the fleet moves in", Ends: begin.Add(2 * time.Hour)})
	for i := range sites * perSite {
		role := []string{"pump", "monitor", "gateway"}[i%3]
		m := &machine{
			id: fmt.Sprintf("%s/SN-%d", role, i), site: i / perSite, address: [4]byte{10, byte(1 + i/perSite), 1, byte(i % perSite)},
			night: i%perSite < 60, lossy: i%50 == 0,
		}
		h.machines = append(h.machines, m)
		h.enrol(m, false)
	}
	return h
}

func (m *machine) from() netip.Addr { return netip.AddrFrom4(m.address) }
func (m *machine) place() string    { return fmt.Sprintf("site %d", m.site) }

// enrol has a certificate issued; a lost answer is asked for again two minutes later.
func (h *hospital) enrol(m *machine, renewal bool) {
	m.serial = serial(h.now, int(h.seq[""])+1)
	m.renew = h.now.Add(12*time.Hour + time.Duration(h.rand.IntN(240))*time.Minute)
	m.since = h.now
	h.tell(Fact{Kind: Issued, Identity: m.id, Site: m.place(), Address: m.from(), Serial: m.serial, Ends: h.now.Add(day), Renewal: renewal})
}

// lose is a renewal whose answer got lost, from a machine that makes a new key each time.
func (h *hospital) lose(m *machine) {
	h.enrol(m, true)
	child := m.serial
	h.tell(Fact{Kind: Forked, Identity: m.id, Site: m.place(), Address: m.from(), Serial: child, Code: CodeOtherKey, Why: "renewed with another key"})
	h.enrol(m, true)
}

// use has a machine ask its site's guard, and each eight hours one that all sites share, which
// sees the address of the site's translator.
func (h *hospital) use(m *machine, resource string) {
	f := Fact{
		Kind: Used, Identity: m.id, Site: m.place(), Address: m.from(), Serial: m.serial, Since: m.since, At: h.now.Add(h.skew[m.site]),
		Origin: guard(m.site), Other: fmt.Sprintf("service/gate-%d", m.site), Route: "fhir", Resource: resource,
		Bytes: 1000 + int64(h.rand.IntN(100_000)),
	}
	h.say(m.site, f)
	if h.now.Hour()/4%2 == 0 {
		f.Origin, f.Other, f.Address, f.At = guard(99), "service/gate-99", netip.AddrFrom4([4]byte{172, 16, m.address[1], 1}), time.Time{}
		h.tell(f)
	}
}

// say tells a fact, or keeps it while the site's guard cannot reach the CA.
func (h *hospital) say(site int, f Fact) {
	if h.cut[site] {
		h.late[site] = append(h.late[site], f)
		return
	}
	for _, late := range append(h.late[site], f) {
		h.tell(late)
	}
	h.late[site] = nil
}

// hour lets an hour pass in which every machine that is on works.
func (h *hospital) hour(resource string) {
	waiting := map[int]int64{}
	for _, m := range h.machines {
		if on := !m.night || h.now.Hour() >= 6 && h.now.Hour() < 20; !on {
			if h.now.After(m.renew.Add(3 * time.Hour)) {
				waiting[m.site]++
			}
			continue
		}
		switch {
		case h.now.Before(m.renew):
		case m.lossy && h.rand.IntN(4) == 0:
			h.lose(m)
		default:
			h.enrol(m, true)
		}
		if (h.now.Hour()+int(m.address[3]))%4 == 0 {
			h.use(m, resource)
		}
	}
	for site := range sites {
		h.tell(Fact{Kind: Unrenewed, Site: fmt.Sprintf("site %d", site), Count: waiting[site], Of: perSite, Other: "pump/SN-1", Ends: h.now})
	}
	h.tell(Fact{Kind: Lag, Other: "syslog", Age: 20 * time.Second})
	h.tell(Fact{Kind: Checkpoint, Age: time.Minute})
	for range 12 {
		h.sleep(5 * time.Minute)
	}
}

// Thirty days of a hospital in which nothing is wrong, though much happens: not one alert.
// What happens are renewals, machines that are off at night, translators, lost answers, a
// renumbered site, machines that move to another ward, a power cut, a time server that is
// wrong for ten minutes, a guard that is cut off for nine hours, and a new version of a program.
func TestSoak(t *testing.T) {
	days := *soakDays
	if testing.Short() || raceEnabled { // there is one goroutine
		days = min(days, 4)
	}
	h := newHospital(t)
	for d := range days {
		for hr := range 24 {
			resource := "Observation"
			switch {
			case d >= 12: // a new version, everywhere at once
				resource = []string{"Observation", "MedicationAdministration"}[hr%2]
			}
			switch {
			case d == 9 && hr == 10: // site 4 is renumbered
				h.each(4, func(m *machine) { m.address[2], m.since = 9, h.now })
			case d == 14 && hr == 9: // thirty machines of site 5 move to a ward of it
				h.each(5, func(m *machine) {
					if m.address[3] < 30 {
						m.address[2], m.since = 2, h.now
					}
				})
			case d == 16 && hr == 12: // the power of site 6 fails: all reconnect
				h.each(6, func(m *machine) { m.since = h.now })
			case d == 18 && hr == 11: // the time of site 7 jumps, and is set right ten minutes later
				h.skew[7] = 5 * time.Minute
				h.each(7, func(m *machine) { h.use(m, resource) })
				h.sleep(10 * time.Minute)
				h.skew[7] = 0
				h.each(7, func(m *machine) { h.use(m, resource) })
			case d == 20 && hr == 1:
				h.cut[8] = true
			case d == 20 && hr == 10:
				h.cut[8] = false
			}
			h.hour(resource)
		}
		for _, c := range h.changes {
			require.NotEqual(t, Opening, c.What, "day %d: %+v", d, c.Alert)
		}
		h.changes = nil
	}
	s := h.e.Stats()
	t.Logf("%d facts, %d suppressed findings, %d machines, state of %d bytes", s.Facts, s.Suppressed, s.Machines, len(h.e.Snapshot()))
	require.NotZero(t, s.Suppressed, "what was harmless looked like something")
}

func (h *hospital) each(site int, do func(*machine)) {
	for _, m := range h.machines {
		if m.site == site {
			do(m)
		}
	}
}
