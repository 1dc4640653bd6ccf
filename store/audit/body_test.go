package audit

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzBody: what appendBody writes is what encoding/json writes, for any
// strings, so that the sealed body has one form whoever reads it.
func FuzzBody(f *testing.F) {
	f.Add("", "", "", int64(0))
	f.Add("device/SN-0042", "ok", "serial", int64(-1))
	f.Add(`"\`, "\x00\u2028\xff", "<&>\x7fé", int64(1)<<62)
	f.Fuzz(func(t *testing.T, actor, outcome, key string, n int64) {
		for _, e := range []Event{
			{Actor: actor, Outcome: outcome},
			{Subject: outcome, Address: actor, RequestID: key, Detail: map[string]any{key: actor, "n": n, "i": int(n), "b": n > 0}},
			{Detail: map[string]any{"deep": map[string]any{key: []string{actor}}, "null": nil, "f": 1.5, "t": time.UnixMilli(0).UTC()}},
		} {
			got, err := appendBody([]byte("x"), e)
			require.NoError(t, err)
			want, err := marshal(bodyOf(e))
			require.NoError(t, err)
			require.Equal(t, "x"+string(want), string(got))
			require.True(t, json.Valid(want))
		}
	})
}

// FuzzReadBody: what readBody reads is what encoding/json reads, whoever wrote it.
func FuzzReadBody(f *testing.F) {
	for _, e := range []Event{
		{},
		{Outcome: "ok"},
		{Actor: "device/SN-0042", Subject: "device/SN-0042", Address: "10.1.2.3", Outcome: "ok", RequestID: "f3a9", Detail: map[string]any{"serial": "01", "n": 7}},
		{Actor: "operator/Zoë", Outcome: "no: \"\\\x00", Detail: map[string]any{"deep": map[string]any{"a": []any{"}", nil}}}},
	} {
		text, err := appendBody(nil, e)
		require.NoError(f, err)
		f.Add(text)
	}
	for _, text := range []string{
		``, `{`, `{}`, `{""}`, `{"":""}`, ` {"actor":"a"}`, `{"actor":"a",}`, `{"actor":"a","actor":"b"}`, `{"outcome":"a","actor":"b"}`, `{"ACTOR":"a"}`,
		`{"actor":"a"}}`, `{"actor":"\u0041"}`, "{\"actor\":\"\xff\"}", "{\"actor\":\"\n\"}", `{"actor":null}`, `{"actor":"a" ,"subject":"b"}`, `{"actor":"a"detail":{}}`, `{"actor":"a";"detail":{}}`,
		`{"detail":{}}`, `{"detail":null}`, `{"detail":[]}`, `{"detail":{"a":1},"x":{}}`, `{"detail":{"a":1}"}}`, `{"detail":{ } }`, `{"actor":"a","detail":{}{}}`, `{"request_id":"a","other":1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(requireReadAsJSON)
}

func requireReadAsJSON(t *testing.T, text []byte) {
	got, err := readBody(text)
	var want sealedBody
	refused := json.Unmarshal(text, &want)
	require.Equal(t, refused == nil, err == nil, "%v, %v", refused, err)
	if err == nil {
		require.Equal(t, want, got)
	}
}

// What is too deep for encoding/json, from the body's brace on, is refused here too.
func TestReadBodyDeep(t *testing.T) {
	for _, depth := range []int{9997, 9998, 9999} {
		requireReadAsJSON(t, []byte(`{"detail":{"a":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}}`))
	}
}

// Nearly every entry is read without encoding/json.
func TestReadBodyScans(t *testing.T) {
	text, err := appendBody(nil, Event{Actor: "device/ä", Subject: "b", Outcome: "ok", Detail: map[string]any{"serial": "01", "n": 7}})
	require.NoError(t, err)
	var b sealedBody
	require.True(t, b.scan(text))
}
