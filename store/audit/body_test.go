package audit

import (
	"encoding/json"
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
