package mllp

import "strconv"

// numbers count the messages of a link. Those that cross the TLS connection have the
// numbers 1, 2, ... at both of its ends, so that the two records of one can be paired.
// Those that a guard beside the caller refuses do not cross it: they are r1, r2, ..., and
// their records name no connection. What the target sends unasked is t1, t2, ....
type numbers struct {
	crosses bool // a message of the caller has crossed it when it is read
	crossed int
	refused int
	unasked int
}

// read returns the number of a message that was read from the caller; "" if it has none
// before it is sent or refused.
func (n *numbers) read() string {
	if n.crosses {
		return n.sent()
	}
	return ""
}

func (n *numbers) sent() string {
	n.crossed++
	return strconv.Itoa(n.crossed)
}

func (n *numbers) turnedAway() string {
	n.refused++
	return "r" + strconv.Itoa(n.refused)
}

func (n *numbers) unsolicited() string {
	n.unasked++
	return "t" + strconv.Itoa(n.unasked)
}
