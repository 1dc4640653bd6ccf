package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
)

func read(contentType, accept, body string) (api.Body, error) {
	r := httptest.NewRequest(http.MethodPost, api.PathEnroll, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return api.ReadBody(httptest.NewRecorder(), r)
}

// Both forms of a request are read, and the answer has the form of the question
// unless the caller asks for the other.
func TestReadBody(t *testing.T) {
	for _, tt := range []struct {
		name, contentType, accept, body string
		want                            api.Body
	}{
		{"no media type", "", "", "csr", api.Body{CSR: []byte("csr")}},
		{"pkcs10", "application/pkcs10", "*/*", "csr", api.Body{CSR: []byte("csr")}},
		{"curl", "application/x-www-form-urlencoded", "*/*", "csr", api.Body{CSR: []byte("csr")}},
		{"raw in, JSON out", "application/pkcs10", "application/json", "csr", api.Body{CSR: []byte("csr"), JSON: true}},
		{"JSON", "application/json; charset=utf-8", "", `{"csr":"x","since":7}`, api.Body{CSR: []byte("x"), Since: 7, JSON: true}},
		{"JSON in, PEM out", "application/json", "application/pem-certificate-chain", `{"csr":"x"}`, api.Body{CSR: []byte("x")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(tt.contentType, tt.accept, tt.body)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// What a raw request asks for besides is in the query; that of JSON is in its members,
// and never in both.
func TestReadBodyQuery(t *testing.T) {
	post := func(query, contentType, body string) (api.Body, error) {
		r := httptest.NewRequest(http.MethodPost, api.PathEnroll+query, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		return api.ReadBody(httptest.NewRecorder(), r)
	}
	for query, want := range map[string]api.Body{
		"?ask=true&role=device": {Ask: true, Role: "device"}, "?role=device": {Role: "device"}, "?ask=false": {}, "?": {},
	} {
		want.CSR = []byte("csr")
		got, err := post(query, "application/pkcs10", "csr")
		require.NoError(t, err, query)
		require.Equal(t, want, got, query)
	}
	got, err := post("", "application/json", `{"csr":"x","ask":true,"role":"device"}`)
	require.NoError(t, err)
	require.Equal(t, api.Body{CSR: []byte("x"), Ask: true, Role: "device", JSON: true}, got)

	long := strings.Repeat("r", 65)
	for _, tt := range []struct{ query, contentType, body string }{
		{"?ask=yes", "", "csr"}, {"?ask", "", "csr"}, {"?ask=true&ask=true", "", "csr"}, {"?hunter2=1", "", "csr"}, {"?%zz", "", "csr"},
		{"?role=" + long, "", "csr"}, {"?ask=true", "application/json", `{"csr":"x"}`}, {"", "application/json", `{"csr":"x","role":"` + long + `"}`},
		{"", "application/json", `{"csr":"x","ask":"true"}`},
	} {
		_, err := post(tt.query, tt.contentType, tt.body)
		var bad *api.BadRequestError
		require.ErrorAs(t, err, &bad, "%s %s", tt.query, tt.body)
		require.Equal(t, http.StatusBadRequest, bad.Status)
		require.NotContains(t, bad.Detail, "hunter2")
	}
}

// A request that cannot be read is refused with its own status.
func TestReadBodyRefuses(t *testing.T) {
	const secret = "hunter2"
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"empty", "", "", 400},
		{"empty CSR", "application/json", `{"csr":""}`, 400},
		{"one byte too large", "", strings.Repeat("x", api.MaxBody+1), 413},
		{"large JSON", "application/json", `{"csr":"` + strings.Repeat("x", api.MaxBody) + `"}`, 413},
		{"media type", "text/html", "csr", 415},
		{"not an object", "application/json", `["csr"]`, 400},
		{"null", "application/json", ` null`, 400},
		{"cut off", "application/json", `{"csr":"hunter2`, 400},
		{"unknown member", "application/json", `{"csr":"x","hunter2":1}`, 400},
		{"wrong type", "application/json", `{"csr":["hunter2"]}`, 400},
		{"twice", "application/json", `{"csr":"x","csr":"hunter2"}`, 400},
		{"twice in capitals", "application/json", `{"csr":"x","CSR":"y"}`, 400},
		{"twice with a long s", "application/json", "{\"csr\":\"x\",\"since\":1,\"\u017fince\":2}", 400},
		{"two objects", "application/json", `{"csr":"x"}{"csr":"y"}`, 400},
		{"negative", "application/json", `{"csr":"x","since":-1}`, 400},
		{"too big a number", "application/json", `{"csr":"x","since":1e99}`, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(tt.contentType, "", tt.body)
			var bad *api.BadRequestError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, tt.status, bad.Status, bad.Detail)
			if tt.name != "unknown member" { // whose name is what is wrong
				require.NotContains(t, bad.Detail, secret)
			}
		})
	}
}

// A body of exactly the limit is read; one byte more that hides its length is not.
func TestReadBodyLimit(t *testing.T) {
	_, err := read("", "", strings.Repeat("x", api.MaxBody))
	require.NoError(t, err)

	r := httptest.NewRequest(http.MethodPost, api.PathEnroll, strings.NewReader(strings.Repeat("x", api.MaxBody+1)))
	r.ContentLength = -1 // chunked
	_, err = api.ReadBody(httptest.NewRecorder(), r)
	var bad *api.BadRequestError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, http.StatusRequestEntityTooLarge, bad.Status)
}

// What is accepted is valid JSON of exactly one object, it means the same when
// written anew, and what is refused is refused as a bad request.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"csr":"x","since":7}`, `{"csr":"x","CSR":"y"}`, `{}`, `null`, `[]`, `{"csr":null}`,
		`{"csr":"\ud800"}`, `{"since":9223372036854775807}`, `{"csr":"x"} `, "{\"\u017fince\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var req api.EnrollRequest
		if err := api.DecodeJSON(body, &req); err != nil {
			var bad *api.BadRequestError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, http.StatusBadRequest, bad.Status)
			return
		}
		require.True(t, json.Valid(body))
		again, err := json.Marshal(req)
		require.NoError(t, err)
		var second api.EnrollRequest
		require.NoError(t, api.DecodeJSON(again, &second))
		require.Equal(t, req, second)
	})
}

// Whatever stands in the URL, a raw request asks for no more than the two parameters say,
// and what is refused is refused as a bad request.
func FuzzReadBodyQuery(f *testing.F) {
	for _, seed := range []string{"ask=true&role=device", "ask=1", "role=a&role=b", "%zz", "role=%00", "ask=true;role=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodPost, api.PathEnroll, strings.NewReader("csr"))
		r.URL.RawQuery = query
		body, err := api.ReadBody(httptest.NewRecorder(), r)
		if err != nil {
			var bad *api.BadRequestError
			require.ErrorAs(t, err, &bad)
			require.Zero(t, body)
			return
		}
		require.LessOrEqual(t, len(body.Role), 64)
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		require.Equal(t, api.Body{CSR: []byte("csr"), Role: values.Get("role"), Ask: values.Get("ask") == "true"}, body)
	})
}

// The answer has the form that was asked for, says its length, and is not cached.
func TestReply(t *testing.T) {
	resp := api.EnrollResponse{Certificate: "-----BEGIN CERTIFICATE-----", Serial: "00ff"}
	for _, tt := range []struct {
		body        api.Body
		media, want string
	}{
		{api.Body{}, "application/pem-certificate-chain", resp.Certificate},
		{api.Body{JSON: true}, "application/json", `"serial":"00ff"`},
	} {
		w := httptest.NewRecorder()
		require.NoError(t, tt.body.Reply(w, resp))
		require.Equal(t, http.StatusCreated, w.Code)
		require.Equal(t, tt.media, w.Header().Get("Content-Type"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))
		require.Contains(t, w.Body.String(), tt.want)
	}
}

// The source is who holds the connection, whatever the headers claim.
func TestSource(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, api.PathEnroll, nil)
	r.Header.Set("X-Forwarded-For", "10.0.0.1")
	for text, want := range map[string]string{
		"192.0.2.1:99": "192.0.2.1", "[::ffff:192.0.2.1]:99": "192.0.2.1", "[2001:db8::1]:99": "2001:db8::1", "@": "invalid IP",
	} {
		r.RemoteAddr = text
		require.Equal(t, want, api.Source(r).String())
	}
}
