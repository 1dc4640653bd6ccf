package h1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An answer that has more than one reading is none.
func TestAnswerRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"HTTP/2":             "HTTP/2 200 OK\r\n\r\n",
		"HTTP/0.9":           "hello\r\n\r\n",
		"small letters":      "http/1.1 200 OK\r\n\r\n",
		"no status":          "HTTP/1.1\r\n\r\n",
		"two digits":         "HTTP/1.1 20 OK\r\n\r\n",
		"four digits":        "HTTP/1.1 2000 OK\r\n\r\n",
		"letters":            "HTTP/1.1 2x0 OK\r\n\r\n",
		"below 100":          "HTTP/1.1 099 OK\r\n\r\n",
		"two spaces":         "HTTP/1.1  200 OK\r\n\r\n",
		"bare LF":            "HTTP/1.1 200 OK\n\n",
		"one bare LF":        "HTTP/1.1 200 OK\r\nX: 1\nY: 2\r\n\r\n",
		"bare CR":            "HTTP/1.1 200 OK\r\nX: a\rY: b\r\n\r\n",
		"NUL":                "HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n",
		"empty line first":   "\r\nHTTP/1.1 200 OK\r\n\r\n",
		"obs-fold":           "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n",
		"obs-fold first":     "HTTP/1.1 200 OK\r\n X: 1\r\n\r\n",
		"space before colon": "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n",
		"no colon":           "HTTP/1.1 200 OK\r\nX\r\n\r\n",
		"empty name":         "HTTP/1.1 200 OK\r\n: 1\r\n\r\n",
		"two lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"listed lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
		"signed length":      "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
		"negative length":    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"empty length":       "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"endless length":     "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
		"length and chunks":  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"two codings":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"gzip, chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"identity":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
		"Transfer_Encoding":  "HTTP/1.1 200 OK\r\nTransfer_Encoding: chunked\r\n\r\n",
		"Content.Length":     "HTTP/1.1 200 OK\r\nContent.Length: 5\r\n\r\n",
		"chunks of HTTP/1.0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		r := NewReader(strings.NewReader(text), 64)
		b := headOf(t, r)
		require.NotEmpty(t, b, name)
		_, err := ParseAnswer(b, http.Header{})
		var bad Shape
		require.ErrorAs(t, err, &bad, name)
	}
}

// What RFC 9112 lets a server send is read so, whatever pieces it comes in.
func TestAnswer(t *testing.T) {
	for text, want := range map[string]Answer{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n":                    {200, 5, false, true},
		"HTTP/1.1 404\r\ncontent-length: 0\r\n\r\n":                       {404, 0, false, true},
		"HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n":             {200, -1, true, true},
		"HTTP/1.1 200 gr\xfc\xdfe\r\nConnection: x, Close\r\n\r\n":        {200, -1, false, false},
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n":               {200, -1, false, false},
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n":    {103, -1, false, true},
		"HTTP/1.1 999 Whatever\r\nX-Empty:\r\nX: \t a b \t\r\n\r\n":       {999, -1, false, true},
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 5000) + "\r\n\r\n": {200, -1, false, true},
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 500) + "\r\n":  {200, -1, false, true},
	} {
		for _, piece := range []int{1, 3, len(text)} {
			h := http.Header{}
			got, err := ParseAnswer(headOf(t, NewReader(&pieces{text, piece}, 64)), h)
			require.NoError(t, err, text)
			require.Equal(t, want, got, text)
			theirs, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
			require.NoError(t, err)
			for name, values := range theirs.Header {
				require.Equal(t, values, h[name])
			}
		}
	}
}

// Chunks are read as they are, and malformed ones are an error, whatever pieces they come
// in; the end is told with the last bytes where it is there with them.
func TestChunks(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, tt := range []struct{ text, body, trailer, rest string }{
		{"3\r\nabc\r\n0\r\n\r\nrest", "abc", "", "rest"},
		{"0\r\n\r\n", "", "", ""},
		{"00A;ext=\"a;b\"\r\n0123456789\r\n1 ;x\r\n", "0123456789", "bad", ""}, // space is no part of a size
		{"a\r\n0123456789\r\n00\r\nT: v\r\nU: w\r\n\r\nrest", "0123456789", "v", "rest"},
		{"1\na\r\n0\r\n\r\n", "", "bad", ""},
		{"1\r\na\n0\r\n\r\n", "a", "bad", ""},
		{"1\r\nab\r\n0\r\n\r\n", "a", "bad", ""},
		{"1\r\na\r\n\r\n", "a", "bad", ""},
		{"-1\r\n\r\n", "", "bad", ""},
		{"+1\r\na\r\n", "", "bad", ""},
		{"0x1\r\na\r\n", "", "bad", ""},
		{"\r\na\r\n", "", "bad", ""},
		{"g\r\n", "", "bad", ""},
		{"1000000000000000\r\n", "", "bad", ""},
		{"1;" + long + "\r\na\r\n0\r\n\r\n", "", "bad", ""},
		{"0\r\nT: 1\r\n 2\r\n\r\n", "", "bad", ""},
		{"0\r\nContent-Length: 5\r\n\r\n", "", "bad", ""},
		{"0\r\nTransfer_Encoding: 5\r\n\r\n", "", "bad", ""},
		{"0\r\nHost: a\r\n\r\n", "", "bad", ""},
		{"0\r\n\n", "", "bad", ""},
		{"0\r\nT: v\n\n", "", "bad", ""},
		{"0\r\n" + strings.Repeat("T: v\r\n", 2000) + "\r\n", "", "bad", ""},
		{"5\r\nabc", "abc", "short", ""},
		{"3\r\nabc\r\n0\r\nT: v\r\n", "abc", "short", ""},
	} {
		for _, piece := range []int{1, 3, len(tt.text)} {
			in := NewReader(&pieces{tt.text, piece}, 64)
			c := Chunked(in)
			b, err := io.ReadAll(c)
			require.Equal(t, tt.body, string(b), tt.text)
			switch tt.trailer {
			case "bad":
				require.Equal(t, error(BadChunk), err, tt.text)
				continue
			case "short":
				require.ErrorIs(t, err, io.ErrUnexpectedEOF, tt.text)
				continue
			}
			require.NoError(t, err, tt.text)
			require.Equal(t, tt.trailer, c.Trailer.Get("T"))
			rest, err := io.ReadAll(in)
			require.NoError(t, err)
			require.Equal(t, tt.rest, string(rest), "what follows is not taken")
		}
	}
	in := NewReader(strings.NewReader("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 64)
	p := make([]byte, 5)
	n, err := Chunked(in).Read(p)
	require.Equal(t, "abcde", string(p[:n]))
	require.Equal(t, io.EOF, err, "at once")
}

// FuzzAnswer: what we take for an answer, in whatever pieces it comes, net/http takes for
// the same one, with the same body; and what of a chunked one we take, in one piece, we
// take in any.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 204 No\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
	} {
		f.Add([]byte(seed), byte(3))
	}
	f.Fuzz(func(t *testing.T, sent []byte, piece byte) {
		in := NewReader(&pieces{string(sent), int(piece) + 1}, 64)
		theirs := bufio.NewReader(bytes.NewReader(sent))
		for {
			var b []byte
			for b == nil {
				var err error
				if b, err = in.Head(MaxHead); err != nil {
					return
				}
				if b == nil && in.Fill() != nil {
					return
				}
			}
			h := http.Header{}
			a, err := ParseAnswer(b, h)
			if err != nil {
				return
			}
			want, err := http.ReadResponse(theirs, nil)
			require.NoError(t, err)
			require.Equal(t, want.StatusCode, a.Status)
			for name, values := range want.Header {
				if name != "Cache-Control" { // which it makes of Pragma
					require.Equal(t, values, h[name])
				}
			}
			body := Endless(in)
			switch {
			case a.Bodiless("GET"):
				body = Sized(in, 0)
			case a.Chunked:
				require.Equal(t, []string{"chunked"}, want.TransferEncoding)
				body = Chunked(in)
			case a.Length >= 0:
				require.Equal(t, want.ContentLength, a.Length)
				body = Sized(in, a.Length)
			}
			got, err := io.ReadAll(body)
			if err != nil {
				return
			}
			if a.Chunked && len(want.Trailer) > 0 {
				return // that net/http reads only where they were announced
			}
			wanted, err := io.ReadAll(want.Body)
			require.NoError(t, err)
			require.Equal(t, wanted, got)
		}
	})
}

func headOf(t *testing.T, r *Reader) []byte {
	for {
		b, err := r.Head(MaxHead)
		require.NoError(t, err)
		if b != nil {
			return b
		}
		require.NoError(t, r.Fill())
	}
}

// pieces is a connection on which bytes come in pieces.
type pieces struct {
	rest string
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.most, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}
