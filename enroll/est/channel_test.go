package est

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
)

// connection returns the state of a real one.
func connection(t testing.TB) *tls.ConnectionState {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.TLS
}

// Whatever the attributes of a request are, none is taken for the name of a connection
// by chance, and reading them ends.
func FuzzChannel(f *testing.F) {
	f.Add([]byte{0x30, 0x0b, 0x30, 0x09, 0x02, 0x01, 0x00, 0x30, 0x00, 0x30, 0x00, 0xa0, 0x00})
	f.Add([]byte("\x30\x20\x30\x1e\x02\x01\x00\x30\x00\x30\x00\xa0\x15\x30\x13\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07\x31\x06\x0c\x04AAAA"))
	state := connection(f)
	f.Fuzz(func(t *testing.T, csr []byte) {
		require.NotEqual(t, enroll.ChannelBound, channelOf(csr, state))
	})
}

// An attribute that names a connection is found, and one that is not text names
// another.
func TestChannelOf(t *testing.T) {
	state := connection(t)
	for text, want := range map[string]enroll.Channel{
		"\x30\x20\x30\x1e\x02\x01\x00\x30\x00\x30\x00\xa0\x15\x30\x13\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07\x31\x06\x0c\x04AAAA": enroll.ChannelOther,
		"\x30\x20\x30\x1e\x02\x01\x00\x30\x00\x30\x00\xa0\x15\x30\x13\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07\x31\x06\x04\x04AAAA": enroll.ChannelOther,
		"\x30\x20\x30\x1e\x02\x01\x00\x30\x00\x30\x00\xa0\x15\x30\x13\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x08\x31\x06\x0c\x04AAAA": enroll.ChannelUnbound,
		"": enroll.ChannelUnbound,
	} {
		require.Equal(t, want, channelOf([]byte(text), state))
	}
}

// White space may stand anywhere, and nothing else beside base64.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("TUlJ\r\nQg==\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := string(text)
		der, err := decode(text)
		if err == nil {
			require.LessOrEqual(t, len(der), len(before)/4*3)
		}
	})
}
