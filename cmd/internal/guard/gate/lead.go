package gate

import (
	"net"
	"sync"
)

// Lead returns a connection to a target that begins with head, which is not written before
// [Target.Begin] or the first Write: nothing reaches a target before the record of it.
func Lead(c net.Conn, head []byte) net.Conn { return &lead{Conn: c, head: head} }

type lead struct {
	net.Conn
	once sync.Once
	head []byte
	err  error // of writing it
}

func (c *lead) begin() error {
	c.once.Do(func() {
		_, c.err = c.Conn.Write(c.head)
		c.head = nil
	})
	return c.err
}

func (c *lead) Write(p []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// NetConn returns what is wrapped.
func (c *lead) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the direction to the target, which hears of whom before.
func (c *lead) CloseWrite() error {
	if err := c.begin(); err != nil {
		return err
	}
	return CloseWrite(c.Conn)
}

// Begin writes what the connection begins with, if anything: a gate calls it once its
// record is kept, as the target may be who speaks first.
func (t *Target) Begin() error {
	if c, ok := t.Conn.(*lead); ok {
		return c.begin()
	}
	return nil
}
