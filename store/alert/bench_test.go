package alert

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// BenchmarkObserve measures facts a second of one core with 100,000 machines known, of which
// each is used before guards and renews: nine uses to one renewal.
func BenchmarkObserve(b *testing.B) {
	const machines = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := newWorld(b)
	facts := make([]Fact, machines)
	for i := range facts {
		facts[i] = Fact{
			Kind: Used, Origin: guard(i % 200), Identity: fmt.Sprintf("device/SN-%d", i), Site: fmt.Sprintf("site %d", i%100), Serial: serial(begin, i+1),
			Address: netip.AddrFrom4([4]byte{10, byte(i % 100), 1, byte(i)}), Other: fmt.Sprintf("service/gate-%d", i%200), Route: "fhir", Resource: "Observation",
			Since: begin, Bytes: 4096,
		}
	}
	tell := func(n int) {
		i := n % machines
		f := facts[i]
		f.At = begin.Add(time.Duration(n) * time.Millisecond)
		if n/machines%10 == 9 {
			f.Kind, f.Origin, f.Renewal, f.Ends = Issued, "", true, f.At.Add(day)
		}
		w.tell(f)
		if n%60_000 == 0 {
			w.e.Tick(f.At)
		}
	}
	for n := range machines {
		tell(n)
	}
	b.ResetTimer()
	n := machines
	for b.Loop() {
		tell(n)
		n++
	}
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "facts/s")
	b.ReportMetric(float64(len(w.e.Snapshot())), "state-B")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc), "heap-B")
	runtime.KeepAlive(facts)
}
