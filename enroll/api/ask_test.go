package api_test

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
)

// Codes are those of the vectors, which openssl and base32 made: whoever writes a
// client has them to compare with.
func TestCode(t *testing.T) {
	file, err := os.Open("testdata/codes.txt")
	require.NoError(t, err)
	defer file.Close()
	n := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var code string
		var spki, nonce []byte
		_, err := fmt.Sscanf(lines.Text(), "%s %x %x", &code, &spki, &nonce)
		require.NoError(t, err, lines.Text())
		require.Equal(t, code, api.Code(spki, nonce))
		n++
	}
	require.Equal(t, 6, n)
}

// The code hangs on every bit of key and nonce.
func TestCodeBindsAll(t *testing.T) {
	spki, nonce := make([]byte, 91), make([]byte, api.NonceSize)
	seen := map[string]bool{api.Code(spki, nonce): true}
	for _, part := range [][]byte{spki, nonce} {
		for bit := range 8 * len(part) {
			part[bit/8] ^= 1 << (bit % 8)
			code := api.Code(spki, nonce)
			require.False(t, seen[code], "bit %d", bit)
			seen[code] = true
			part[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// A code is read however a person writes it, and nothing else is.
func TestParseCode(t *testing.T) {
	for text, want := range map[string]string{
		"7ZK4-09TM": "7ZK4-09TM", "7zk409tm": "7ZK4-09TM", " 7ZK4 O9TM ": "7ZK4-09TM", "il00-llII": "1100-1111",
		"": "", "7ZK4-09T": "", "7ZK4-09TMA": "", "7ZK4_09TM": "", "7ZK4-09TU": "", "7ZK4-09T\u017f": "", "7ZK4-09TM\n": "",
		strings.Repeat("-", 57) + "7ZK409TM": "",
	} {
		got, err := api.ParseCode(text)
		require.Equal(t, want, got, "%q", text)
		if want == "" {
			require.ErrorIs(t, err, api.ErrCode, "%q", text)
		}
	}
}

// What is read as a code is read again as the same one.
func FuzzParseCode(f *testing.F) {
	f.Add("7ZK4-09TM")
	f.Add("il oo-iioo")
	f.Fuzz(func(t *testing.T, text string) {
		code, err := api.ParseCode(text)
		if err != nil {
			require.ErrorIs(t, err, api.ErrCode)
			return
		}
		again, err := api.ParseCode(code)
		require.NoError(t, err)
		require.Equal(t, code, again)
	})
}

// A machine shows no code but that of its own key, and of a nonce of full length.
func TestPendingCheck(t *testing.T) {
	spki, nonce := []byte("key"), make([]byte, api.NonceSize)
	text := base64.RawURLEncoding.EncodeToString
	require.NoError(t, api.Pending{Nonce: text(nonce), Code: api.Code(spki, nonce)}.Check(spki))
	for name, p := range map[string]api.Pending{
		"another key":   {Nonce: text(nonce), Code: api.Code([]byte("other"), nonce)},
		"no code":       {Nonce: text(nonce)},
		"short nonce":   {Nonce: text(nonce[1:]), Code: api.Code(spki, nonce[1:])},
		"long nonce":    {Nonce: text(append(nonce, 0)), Code: api.Code(spki, append(nonce, 0))},
		"no base64":     {Nonce: "*", Code: api.Code(spki, nonce)},
		"padded base64": {Nonce: text(nonce) + "==", Code: api.Code(spki, nonce)},
		"hexadecimal":   {Nonce: hex.EncodeToString(nonce), Code: api.Code(spki, nonce)},
	} {
		require.ErrorIs(t, p.Check(spki), api.ErrPending, name)
	}
}

// Whoever asks is told to wait in seconds, in header and body, and is not cached.
func TestPendingReply(t *testing.T) {
	w := httptest.NewRecorder()
	p := api.Pending{RequestID: "ab", Nonce: "AA", Code: "0000-0000", PollAfter: 17, Expires: time.Unix(1e9, 0).UTC()}
	require.NoError(t, p.Reply(w))
	require.Equal(t, http.StatusAccepted, w.Code)
	require.Equal(t, "17", w.Header().Get("Retry-After"))
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	var got api.Pending
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, p, got)
}
