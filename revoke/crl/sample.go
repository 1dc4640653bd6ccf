package crl

import "slices"

// Sample returns all entries if they are few, and otherwise about limit of them, so that
// what can be wrong with the form of one is wrong with one of these: those of the least
// and the greatest serial number, the earliest and the latest date, and the first of each
// reason, of each length of a serial number and of each form of a date. These are at most
// 39, whatever limit is; the first in order fill it up. All entries are read once.
func (s Set) Sample(limit int) Set {
	if len(s.records) <= limit {
		return s
	}
	last := len(s.records) - 1
	earliest, latest := 0, 0
	var reason [len(reasons)]bool
	var length [maxSerial + 2]bool
	var generalized [2]bool
	var picked []int
	for i := range s.records {
		r := &s.records[i]
		if r.at < s.records[earliest].at {
			earliest = i
		}
		if r.at > s.records[latest].at {
			latest = i
		}
		form := 0
		if r.at >= generalizedFrom {
			form = 1
		}
		if n := r.serialLength(); !reason[r.reason] || !length[n] || !generalized[form] {
			reason[r.reason], length[n], generalized[form] = true, true, true
			picked = append(picked, i)
		}
	}
	picked = append(picked, last, earliest, latest)
	for i := 0; len(picked) < limit; i++ {
		picked = append(picked, i)
	}
	slices.Sort(picked)
	sample := Set{records: make([]record, 0, len(picked))}
	for _, i := range slices.Compact(picked) {
		sample.records = append(sample.records, s.records[i])
	}
	return sample
}

// Octets returns how long the entries are in a list, in octets: all of it but some
// hundred.
func (s Set) Octets() (n int) {
	for i := range s.records {
		n += 2 + s.records[i].length()
	}
	return n
}
