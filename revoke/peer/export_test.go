package peer

// Take offers a list, as if it had been fetched.
func (p *Peer) Take(der []byte) error { return p.own.Load().issuing.take(der, false) }
