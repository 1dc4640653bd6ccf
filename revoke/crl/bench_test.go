package crl_test

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/lint"
)

const million = 1_000_000

// BenchmarkPublish is what the issuer does for a full list of a million entries: from
// an iterator to DER that is linted, signed and read back.
func BenchmarkPublish(b *testing.B) {
	ca := authority(b, "Issuer", key(b, 1), nil)
	linter, err := lint.NewLinter(ca.Certificate)
	require.NoError(b, err)
	p := template(1, 0)
	p.Freshest = deltaURL
	for b.Loop() {
		set, err := crl.Collect(million, entries(million))
		require.NoError(b, err)
		require.NoError(b, linter.Check(p, set))
		der := bytes.NewBuffer(make([]byte, 0, 2048+set.Octets()))
		require.NoError(b, crl.Encode(der, ca.Certificate, ca.Signer, p, set))
		require.NoError(b, crl.Verify(der.Bytes(), ca.Certificate, p, set))
	}
	b.ReportMetric(peak(b), "peak-MiB")
}

func BenchmarkEncode(b *testing.B) {
	ca := authority(b, "Issuer", key(b, 1), nil)
	for name, n := range map[string]int{"1": 1, "1000": 1000, "1000000": million} {
		set := collect(b, n)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, crl.Encode(io.Discard, ca.Certificate, ca.Signer, template(1, 0), set))
			}
		})
	}
}

// BenchmarkOpen is what a relying party does with a list that it got.
func BenchmarkOpen(b *testing.B) {
	ca := authority(b, "Issuer", key(b, 1), nil)
	for name, n := range map[string]int{"1": 1, "10000": 10_000, "1000000": million} {
		der := encode(b, ca, template(1, 0), collect(b, n))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(der)))
			b.ReportAllocs()
			for b.Loop() {
				open(b, ca, der)
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	for name, n := range map[string]int{"10000": 10_000, "1000000": million} {
		set := collect(b, n)
		b.Run(name, func(b *testing.B) {
			for i := uint64(0); b.Loop(); i += 7919 {
				if _, found := set.Lookup(serial(i % uint64(n))); !found {
					b.Fatal("not found")
				}
			}
		})
	}
}

// BenchmarkApply folds a thousand new revocations into a base of a million.
func BenchmarkApply(b *testing.B) {
	base, delta := collect(b, million), collect(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		base.Apply(delta)
	}
}

// peak returns the most memory that this process has had, in MiB, or 0 where the system
// does not say. It is that of one benchmark only if no other ran before.
func peak(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if rest, ok := strings.CutPrefix(string(line), "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(b, err)
			return float64(kib) / 1024
		}
	}
	return 0
}
