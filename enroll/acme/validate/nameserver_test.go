package validate_test

import (
	"encoding/binary"
	"io"
	"math"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// A nameserver is a DNS server on loopback, over UDP and TCP. Names end in a dot.
type nameserver struct {
	addr string

	mu      sync.Mutex
	records map[string][]dnsmessage.ResourceBody // every type, and what a CNAME leads to
	rcodes  map[string]dnsmessage.RCode          // answered instead
	turns   map[string][]netip.Addr              // answered to queries for A, one each
	silent  bool
}

// newNameserver returns one that knows no name.
func newNameserver(t testing.TB) *nameserver {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u, err := net.ListenPacket("udp", l.Addr().String())
	require.NoError(t, err)
	n := &nameserver{
		addr: l.Addr().String(), records: map[string][]dnsmessage.ResourceBody{},
		rcodes: map[string]dnsmessage.RCode{}, turns: map[string][]netip.Addr{},
	}
	var serving sync.WaitGroup
	serving.Go(func() { n.serveUDP(u) })
	serving.Go(func() { n.serveTCP(l) })
	t.Cleanup(func() { l.Close(); u.Close(); serving.Wait() })
	return n
}

// host has name resolve to these addresses.
func (n *nameserver) host(name string, addrs ...string) {
	for _, a := range addrs {
		n.add(name, address(netip.MustParseAddr(a)))
	}
}

// text has name hold these TXT records.
func (n *nameserver) text(name string, records ...string) {
	for _, r := range records {
		n.add(name, &dnsmessage.TXTResource{TXT: []string{r}})
	}
}

// turn has name resolve to one of addrs after the other, once each; left returns
// how many are to come.
func (n *nameserver) turn(name string, addrs ...netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.turns[name] = addrs
}

func (n *nameserver) left(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.turns[name])
}

// fail has queries for name answered with code.
func (n *nameserver) fail(name string, code dnsmessage.RCode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rcodes[name] = code
}

// silence has no query answered.
func (n *nameserver) silence() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = true
}

func (n *nameserver) add(name string, body dnsmessage.ResourceBody) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records[name] = append(n.records[name], body)
}

func (n *nameserver) serveUDP(u net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		size, from, err := u.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := n.answer(buf[:size], 1232); answer != nil {
			_, _ = u.WriteTo(answer, from)
		}
	}
}

func (n *nameserver) serveTCP(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		var size uint16
		if binary.Read(conn, binary.BigEndian, &size) == nil {
			query := make([]byte, size)
			if _, err := io.ReadFull(conn, query); err == nil {
				if answer := n.answer(query, math.MaxUint16); answer != nil {
					_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
				}
			}
		}
		conn.Close()
	}
}

// answer returns the answer to a query, or nil for none. One that is longer than
// limit says that it is truncated, so that the question comes again over TCP.
func (n *nameserver) answer(query []byte, limit int) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	var m dnsmessage.Message
	if n.silent || m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := q.Name.String()
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	m.RCode = n.rcodes[name]
	if _, known := n.records[name]; !known && m.RCode == 0 && n.turns[name] == nil {
		m.RCode = dnsmessage.RCodeNameError
	}
	if turns := n.turns[name]; len(turns) > 0 && q.Type == dnsmessage.TypeA {
		m.Answers = append(m.Answers, record(q.Name, address(turns[0])))
		n.turns[name] = turns[1:]
	}
	for alias := true; alias; {
		alias = false
		for _, body := range n.records[name] {
			r := record(dnsmessage.MustNewName(name), body)
			if c, ok := body.(*dnsmessage.CNAMEResource); ok {
				name, alias = c.CNAME.String(), true
			} else if r.Header.Type != q.Type {
				continue
			}
			m.Answers = append(m.Answers, r)
		}
	}
	answer, err := m.Pack()
	if err == nil && len(answer) > limit {
		m.Truncated, m.Answers = true, nil
		answer, err = m.Pack()
	}
	if err != nil {
		panic(err)
	}
	return answer
}

func address(addr netip.Addr) dnsmessage.ResourceBody {
	if addr.Is4() {
		return &dnsmessage.AResource{A: addr.As4()}
	}
	return &dnsmessage.AAAAResource{AAAA: addr.As16()}
}

func record(name dnsmessage.Name, body dnsmessage.ResourceBody) dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 1}
	switch body.(type) {
	case *dnsmessage.AResource:
		h.Type = dnsmessage.TypeA
	case *dnsmessage.AAAAResource:
		h.Type = dnsmessage.TypeAAAA
	case *dnsmessage.TXTResource:
		h.Type = dnsmessage.TypeTXT
	case *dnsmessage.CNAMEResource:
		h.Type = dnsmessage.TypeCNAME
	}
	return dnsmessage.Resource{Header: h, Body: body}
}
