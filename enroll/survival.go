package enroll

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"time"
)

// Ends counts how many certificates end when, in steps of a 32nd of how far away that
// is and at least a minute: an end seems a little earlier than it is, never later. The
// zero Ends is empty.
type Ends struct {
	counts []uint64 // by step from the time of counting
}

// stepOf returns the step of a distance, and where it begins, in minutes.
func stepOf(minutes uint64) int {
	if minutes < 64 {
		return int(minutes)
	}
	shift := bits.Len64(minutes) - 6
	return 64 + (shift-1)*32 + int(minutes>>shift) - 32
}

func stepStart(step int) uint64 {
	if step < 64 {
		return uint64(step)
	}
	shift := (step-64)/32 + 1
	return uint64((step-64)%32+32) << shift
}

// maxStep is beyond what any certificate lasts: a thousand years.
var maxStep = stepOf(1000 * 365 * 24 * 60)

// Add counts an end that is so far away; one that is past is none.
func (e *Ends) Add(away time.Duration) {
	if away <= 0 {
		return
	}
	step := min(stepOf(uint64(away/time.Minute)), maxStep)
	if step >= len(e.counts) {
		e.counts = append(e.counts, make([]uint64, step+1-len(e.counts))...)
	}
	e.counts[step]++
}

// Merge adds what another counted at the same time.
func (e *Ends) Merge(other Ends) {
	if len(other.counts) > len(e.counts) {
		e.counts = append(e.counts, make([]uint64, len(other.counts)-len(e.counts))...)
	}
	for i, n := range other.counts {
		e.counts[i] += n
	}
}

// Total returns how many were counted.
func (e Ends) Total() (n uint64) {
	for _, c := range e.counts {
		n += c
	}
	return n
}

// After returns how many end later than so far away, about.
func (e Ends) After(away time.Duration) (n uint64) {
	step := 0
	if away > 0 {
		step = stepOf(uint64(away / time.Minute))
	}
	for i := step; i < len(e.counts); i++ {
		n += e.counts[i]
	}
	return n
}

// Fallen returns how far away it is that n of those that end later than since have
// ended; 0 if there are not so many.
func (e Ends) Fallen(n uint64, since time.Duration) time.Duration {
	step := 0
	if since > 0 {
		step = stepOf(uint64(since / time.Minute))
	}
	var fallen uint64
	for i := step; i < len(e.counts); i++ {
		if fallen += e.counts[i]; fallen >= n {
			return max(since, time.Duration(stepStart(i))*time.Minute)
		}
	}
	return 0
}

// MarshalBinary writes pairs of a step and a count, as varints.
func (e Ends) MarshalBinary() ([]byte, error) {
	var b []byte
	for step, n := range e.counts {
		if n > 0 {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(step)), n)
		}
	}
	return b, nil
}

var errEnds = errors.New("not a count of ends")

// UnmarshalBinary reads what MarshalBinary wrote.
func (e *Ends) UnmarshalBinary(b []byte) error {
	e.counts = nil
	for len(b) > 0 {
		step, n := binary.Uvarint(b)
		if n <= 0 || step > uint64(maxStep) || step < uint64(len(e.counts)) {
			return errEnds
		}
		count, m := binary.Uvarint(b[n:])
		if m <= 0 || count > 1<<40 {
			return errEnds
		}
		e.counts = slices.Grow(e.counts, int(step)+1-len(e.counts))[:step+1]
		e.counts[step] = count
		b = b[n+m:]
	}
	return nil
}
