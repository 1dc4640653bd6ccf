package stream_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/stream"
)

// signed returns deltas that revoke these serial numbers, as a CA signs them.
func signed(t *testing.T) func(number int64, revoked ...int64) *stream.Event {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	issuer := &x509.Certificate{KeyUsage: x509.KeyUsageCRLSign, SubjectKeyId: []byte{1}}
	return func(number int64, revoked ...int64) *stream.Event {
		list := &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
		for _, serial := range revoked {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: time.Unix(1e9, 0)})
		}
		der, err := x509.CreateRevocationList(rand.Reader, list, issuer, key)
		require.NoError(t, err)
		return stream.NewDelta(number, 0, der, 0)
	}
}

// Who asks for that is spared what says nothing new, for so long; what names somebody
// else comes at once.
func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, delta := newWorld(t), signed(t)
		w.Publish(delta(1))
		all, some := ids(t, w.get("192.0.2.7:1", "/stream")), ids(t, w.get("192.0.2.7:2", "/stream?every=60"))
		synctest.Wait()
		began := time.Now()
		for _, step := range []struct {
			after time.Duration
			event *stream.Event
		}{
			{10 * time.Second, delta(2)}, {20 * time.Second, delta(3, 7)}, {30 * time.Second, delta(4, 7)}, {79 * time.Second, delta(5, 7)},
			{80 * time.Second, delta(6, 7)}, {90 * time.Second, delta(7, 7, 8)}, {91 * time.Second, delta(8, 8)}, {92 * time.Second, delta(9)},
		} {
			<-time.After(time.Until(began.Add(step.after)))
			w.Publish(step.event)
			synctest.Wait()
		}
		w.Hub.Close()
		require.Equal(t, []string{"1", "3", "6", "7", "8", "9"}, <-some)
		require.Equal(t, []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"}, <-all)
	})
}

// ids returns, once the stream has ended, which events were in it.
func ids(t *testing.T, c *caller) <-chan []string {
	done := make(chan []string, 1)
	go func() {
		var all []string
		lines := bufio.NewReader(c.answer().Body)
		for {
			if _, err := lines.Peek(1); err != nil {
				done <- all
				return
			}
			id, _, _ := event(t, lines)
			all = append(all, id)
		}
	}()
	return done
}
