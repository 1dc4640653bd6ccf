package guard_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
)

// An application is an HL7 receiver that dies now and then.
type application struct {
	net.Listener
	mu    sync.Mutex
	got   map[string]string // complete messages by their control ID
	group sync.WaitGroup
}

func (a *application) run() {
	for {
		c, err := a.Accept()
		if err != nil {
			return
		}
		a.group.Go(func() { a.serve(c.(*net.TCPConn)) })
	}
}

func (a *application) serve(c *net.TCPConn) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 64<<10)
	for {
		block, err := in.ReadString('\x1c')
		if err != nil {
			return
		}
		if b, err := in.ReadByte(); err != nil || b != '\r' {
			return
		}
		content := strings.TrimSuffix(strings.TrimPrefix(block, "\x0b"), "\x1c")
		id := strings.Split(content, "|")[9]
		a.mu.Lock()
		a.got[id] = content
		a.mu.Unlock()
		if rand.N(60) == 0 {
			c.SetLinger(0)
			return
		}
		if _, err := io.WriteString(c, framed("MSH|^~\\&|||||||ACK|A"+id+"|P|2.5.1\rMSA|AA|"+id+"\r")); err != nil {
			return
		}
	}
}

// A sender sends messages as it likes, and keeps what it was told of each.
type sender struct {
	name string
	told map[string]string // MSA-1 by control ID
	sent int
}

// use sends messages over a connection until it ends, or the sender has enough; end, if
// any, is called after some of them.
func (s *sender) use(c net.Conn, end func()) error {
	defer c.Close()
	in := bufio.NewReader(c)
	type question struct{ id, kind string }
	waiting := []question{}
	messages := 1 + rand.N(20)
	for i := range messages {
		s.sent++
		id := s.name + "-" + strconv.Itoa(s.sent)
		kind := []string{"ADT^A01", "ORU^R01", "ORM^O01"}[rand.N(3)]
		content := strings.Replace(hl7(kind, id), "LAB", id, 1)
		if rand.N(10) == 0 {
			content += strings.Repeat("x", rand.N(200<<10))
		}
		block := framed(content)
		if end != nil && i == messages/2 {
			io.WriteString(c, block[:rand.N(len(block))])
			end()
			io.WriteString(c, block)
			return nil
		}
		if _, err := io.WriteString(c, block); err != nil {
			return nil
		}
		waiting = append(waiting, question{id, kind})
		for len(waiting) > rand.N(3) { // the next ones may go before the answer
			answer, err := in.ReadString('\x1c')
			if err != nil {
				return nil
			}
			_, segment, _ := strings.Cut(answer, "\rMSA|")
			fields := strings.FieldsFunc(segment, func(r rune) bool { return r == '|' || r == '\r' || r == '\x1c' })
			asked := waiting[0]
			allowed := asked.kind != "ORM^O01"
			if len(fields) < 2 || fields[1] != asked.id || fields[0] == "AA" && !allowed || fields[0] == "AR" && allowed {
				return fmt.Errorf("an answer out of turn: %q, waiting for %v", answer, waiting)
			}
			s.told[asked.id] = fields[0]
			waiting = waiting[1:]
		}
	}
	return nil
}

// Senders that come and go, are revoked and break off in the middle of messages, and an
// application that dies: who is told that a message was accepted knows that the
// application has it; the application has none that no rule allows; all that it has is
// on record, with its digest; and what two guards say of one message is the same.
func TestHL7Soak(t *testing.T) {
	length := 2 * time.Second
	if text := os.Getenv("BETONICA_SOAK"); text != "" {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	w := newWorld(t)
	app := &application{Listener: w.backend(), got: map[string]string{}}
	app.group.Go(app.run)
	server, client := w.hl7Guards(strings.Replace("tcp://"+app.Addr().String(), "tcp:", "mllp:", 1))

	until := time.Now().Add(length)
	senders := make([]*sender, 6)
	failures := make(chan error, len(senders))
	var group sync.WaitGroup
	for i := range senders {
		s := &sender{name: fmt.Sprintf("S%d", i), told: map[string]string{}}
		senders[i] = s
		group.Go(func() {
			for n := 0; time.Now().Before(until); n++ {
				if err := s.once(w, server, client, fmt.Sprintf("device/pump-%d-%d", i, n)); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	server.stop()
	client.stop()
	app.Close()
	app.group.Wait()
	stacks := make([]byte, 1<<20)
	require.NotContains(t, string(stacks[:runtime.Stack(stacks, true)]), "/guard/mllp.", "nothing of a link is left")
	select {
	case err := <-failures:
		require.NoError(t, err)
	default:
	}

	accepted, recorded := 0, map[string]record.Record{}
	numbers := map[string]record.Record{}
	for _, r := range server.records.all {
		if r.Kind == record.Message {
			id, _, _ := strings.Cut(r.Resource, "/")
			recorded[id] = r
			numbers[r.Link+" "+r.Number] = r
		}
	}
	for _, s := range senders {
		for id, code := range s.told {
			if code == "AA" {
				accepted++
				require.NotEmpty(t, app.got[id])
				require.Equal(t, "AA", recorded[id].Answer)
			}
		}
	}
	for id, content := range app.got {
		require.False(t, strings.Contains(content, "|ORM^O01|"))
		r := recorded[id]
		h := r.Key.Digest(record.ToTarget)
		io.WriteString(h, content)
		require.Equal(t, record.Digest(h.Sum(nil)), r.Request, "%s %+v", id, r)
	}
	pairs := 0
	for _, r := range client.records.all {
		if at, ok := numbers[r.Link+" "+r.Number]; ok && r.Kind == record.Message && r.Answer == at.Answer {
			pairs++
			if r.Response == (record.Digest{}) { // this guard answered by itself
				at.Response = r.Response
			}
			require.Equal(t, []any{at.Request, at.Response, at.In, at.Out}, []any{r.Request, r.Response, r.In, r.Out}, "%+v %+v", at, r)
		}
	}
	t.Logf("%d messages reached the application, %d were accepted, %d records were kept, %d pair", len(app.got), accepted, len(server.records.all), pairs)
	require.NotZero(t, accepted)
	require.NotZero(t, pairs)
}

// once makes one connection, of one kind or the other.
func (s *sender) once(w *world, server, client *running, who string) error {
	if rand.N(2) == 0 { // by a guard of its own
		c, err := net.Dial("tcp", client.Address("out").String())
		if err != nil {
			return err
		}
		var end func()
		if rand.N(3) == 0 {
			end = func() { c.Close() }
		}
		return s.use(c, end)
	}
	pump := w.ca.Identity(who)
	c, err := tls.Dial("tcp", server.Address("hl7").String(), &tls.Config{
		RootCAs: pump.Roots(), ServerName: "localhost", Certificates: []tls.Certificate{*pump.Certificate()},
	})
	if err != nil {
		return err
	}
	var end func()
	if rand.N(3) == 0 {
		end = func() { w.ca.Revoke(pump) }
	}
	return s.use(c, end)
}
