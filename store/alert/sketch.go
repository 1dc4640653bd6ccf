package alert

import "math/bits"

// A seen is a Bloom filter of 256 bits and three hashes: which words a machine has used. Up
// to 20 words, one in a hundred new ones is taken for known; it never forgets.
type seen [4]uint64

func (s *seen) has(h uint64) bool {
	for range 3 {
		if s[h>>6&3]&(1<<(h&63)) == 0 {
			return false
		}
		h >>= 8
	}
	return true
}

func (s *seen) add(h uint64) {
	for range 3 {
		s[h>>6&3] |= 1 << (h & 63)
		h >>= 8
	}
}

// A tally counts values by their number of bits. When one count is full all are halved, so
// that what is long ago weighs less. Quantiles are exact to a factor of two, upwards.
type tally [32]uint8

func (t *tally) add(v int64) {
	i := min(bits.Len64(uint64(max(v, 0))), len(t)-1)
	if t[i] == 255 {
		for j := range t {
			t[j] >>= 1
		}
	}
	t[i]++
}

func (t *tally) total() (n int) {
	for _, c := range t {
		n += int(c)
	}
	return n
}

// quantile returns a value that at least num of den values are not above; 0 of none.
func (t *tally) quantile(num, den int) int64 {
	need, n := (t.total()*num+den-1)/den, 0
	for i, c := range t {
		if n += int(c); n >= need && n > 0 {
			return 1<<i - 1
		}
	}
	return 0
}
