package allow

import "errors"

// Peers are those whom a service lets in. The zero Peers lets nobody in.
type Peers struct {
	patterns []pattern
}

// ParsePeers names who is let in, each by one of
//
//	spiffe://hospital.example/device/SN-0042    one machine
//	spiffe://hospital.example/device/SN-*       a * is one or more characters, none of them '/' or '.'
//	spiffe://hospital.example/device            every machine of a role
//
// A * may stand in the role too, so that spiffe://hospital.example/* is whomever this CA
// certified; it may not stand in the trust domain. Naming nobody is an
// error: to let nobody in, use the zero Peers.
func ParsePeers(patterns ...string) (Peers, error) {
	if len(patterns) == 0 {
		return Peers{}, errors.New("no peer is named")
	}
	var p Peers
	for _, text := range patterns {
		one, err := parsePattern(text)
		if err != nil {
			return Peers{}, err
		}
		p.patterns = append(p.patterns, one)
	}
	return p, nil
}

// Match reports whether id is let in.
func (p Peers) Match(id ID) bool {
	for i := range p.patterns {
		if p.patterns[i].match(id) {
			return true
		}
	}
	return false
}
