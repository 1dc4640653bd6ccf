package alert

import "slices"

const (
	week      = 7 // days whose same hour is compared
	leastDays = 3 // that a burst is compared with
)

// A series counts something by the hour, and knows the same hours of the week before.
type series struct {
	Hour uint32 // of Unix, that N is of; 0: none yet
	N    int64
	Past [24][week]uint32
	Days [24]uint8 // how many of Past are known
	Size int64     // of the group that is counted in; 0: not known
}

// enter goes on to an hour. It reports false if that is over.
func (s *series) enter(at moment) bool {
	hr := uint32(at / 3600)
	if far := uint32(24 * (week + 1)); s.Hour == 0 || hr > s.Hour+far || s.Hour > hr+far { // or the clock was wrong
		s.Hour, s.N, s.Days = hr, 0, [24]uint8{}
	}
	for s.Hour < hr {
		o := s.Hour % 24
		copy(s.Past[o][1:], s.Past[o][:])
		s.Past[o][0] = uint32(min(s.N, 1<<32-1))
		s.Days[o] = min(s.Days[o]+1, week)
		s.Hour, s.N = s.Hour+1, 0
	}
	return hr == s.Hour
}

// usual returns the median of the same hour in the week before, and whether so many days of
// it are known, at least.
func (s *series) usual(least int) (median int64, known bool) {
	o := s.Hour % 24
	n := min(int(s.Days[o]), week)
	if n < least || n == 0 {
		return 0, false
	}
	days := slices.Clone(s.Past[o][:n])
	slices.Sort(days)
	return int64(days[n/2]), true
}
