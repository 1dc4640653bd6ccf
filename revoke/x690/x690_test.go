package x690_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/x690"
)

// Every value has one encoding, and no other is read.
func TestOneForm(t *testing.T) {
	long := func(head string, n int) string { return head + string(make([]byte, n)) }
	for _, tt := range []struct {
		name, text string
		read       func(*x690.Reader)
		good       bool
	}{
		{"short length", "\x04\x02ab", octets, true},
		{"long form of a short length", "\x04\x81\x02ab", octets, false},
		{"long length", long("\x04\x81\x80", 128), octets, true},
		{"a zero before the length", long("\x04\x82\x00\x80", 128), octets, false},
		{"length of two octets", long("\x04\x82\x01\x00", 256), octets, true},
		{"length of four octets", long("\x04\x84\x01\x00\x00\x00", 1<<24), octets, true},
		{"length with a sign", "\x04\x84\x80\x00\x00\x00", octets, false},
		{"length of five octets", "\x04\x85\x01\x00\x00\x00\x00", octets, false},
		{"indefinite length", "\x04\x80ab\x00\x00", octets, false},
		{"length beyond the end", "\x04\x03ab", octets, false},
		{"length cut off", "\x04\x82\x01", octets, false},
		{"nothing", "", octets, false},
		{"another tag", "\x05\x00", octets, false},

		{"OID", "\x06\x03\x55\x1d\x14", oid, true},
		{"OID with a long arc", "\x06\x05\x2a\xff\xff\xff\x7f", oid, true},
		{"OID with a longer arc", "\x06\x06\x2a\xff\xff\xff\xff\x7f", oid, false},
		{"OID with a padded arc", "\x06\x04\x55\x80\x1d\x14", oid, false},
		{"OID that ends within an arc", "\x06\x02\x55\x9d", oid, false},
		{"OID of nothing", "\x06\x00", oid, false},

		{"zero", "\x02\x01\x00", unsigned, true},
		{"255", "\x02\x02\x00\xff", unsigned, true},
		{"-1", "\x02\x01\xff", unsigned, false},
		{"padded 1", "\x02\x02\x00\x01", unsigned, false},
		{"no integer", "\x02\x00", unsigned, false},
		{"three octets of two", "\x02\x03\x01\x00\x00", unsigned, false},
		{"two octets and a sign's zero", "\x02\x03\x00\xff\xff", unsigned, true},

		{"bits", "\x03\x02\x00\x01", bits, true},
		{"unused bits", "\x03\x02\x01\x02", bits, false},
		{"no bits", "\x03\x01\x00", bits, false},

		{"TRUE", "\x01\x01\xff", flag, true},
		{"TRUE in another form", "\x01\x01\x01", flag, false},
		{"FALSE, which is left out", "\x01\x01\x00", flag, false},

		{"UTCTime", "\x17\x0d" + "491231235959Z", moment, true},
		{"GeneralizedTime of 2050", "\x18\x0f" + "20500101000000Z", moment, true},
		{"GeneralizedTime of 2049", "\x18\x0f" + "20491231235959Z", moment, false},
		{"30 February", "\x17\x0d" + "260230000000Z", moment, false},
		{"a leap second", "\x17\x0d" + "261231235960Z", moment, false},
		{"24 o'clock", "\x17\x0d" + "261231240000Z", moment, false},
		{"no seconds", "\x17\x0b" + "2612312359Z", moment, false},
		{"no zone", "\x17\x0c" + "261231235959", moment, false},
		{"a sign", "\x17\x0d" + "26-231235959Z", moment, false},
		{"GeneralizedTime of any year", "\x18\x0f" + "19700101000000Z", generalized, true},
		{"a fraction", "\x18\x11" + "19700101000000.1Z", generalized, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := x690.Reader{B: []byte(tt.text)}
			tt.read(&r)
			r.End(tt.name)
			if tt.good {
				require.NoError(t, r.Err)
				return
			}
			_, malformed := errors.AsType[*x690.MalformedError](r.Err)
			require.True(t, malformed, r.Err)
		})
	}
}

func octets(r *x690.Reader)      { r.Read(x690.OctetString, "octets") }
func oid(r *x690.Reader)         { r.OID("identifier") }
func unsigned(r *x690.Reader)    { r.Unsigned("number", 2) }
func bits(r *x690.Reader)        { r.Octets("bits") }
func flag(r *x690.Reader)        { r.Flag(x690.Boolean, "flag") }
func moment(r *x690.Reader)      { r.Time("time") }
func generalized(r *x690.Reader) { r.GeneralizedTime("time") }

// What is read is what was written.
func TestValues(t *testing.T) {
	r := x690.Document([]byte("\x30\x1b\x02\x03\x00\xff\x01\x03\x03\x00ab\x17\x0d"+"500101000000Z"+"\x05\x00"), "document")
	require.Equal(t, []byte{0xff, 1}, r.Unsigned("number", 2))
	require.Equal(t, []byte("ab"), r.Octets("bits"))
	require.Equal(t, time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), r.Time("time"))
	require.True(t, r.Next(x690.Null))
	r.Skip(x690.Null, "null")
	r.End("document")
	require.NoError(t, r.Err)
}

// After the first failure nothing more is read, and it is the one that is told.
func TestFirstFailure(t *testing.T) {
	r := x690.Reader{B: []byte("\x05\x00\x04\x01a")}
	in := r.Nested(x690.Sequence, "first")
	in.OID("second")
	r.Join(&in)
	require.Empty(t, r.Read(x690.OctetString, "third"))
	require.ErrorContains(t, r.Err, "first")
}

// A critical extension that is not known is refused, an unknown one passed over; none
// comes twice, and a known one is read to its end.
func TestExtensions(t *testing.T) {
	const (
		known    = "\x30\x09\x06\x03\x55\x1d\x14\x04\x02\x05\x00"
		long     = "\x30\x0b\x06\x03\x55\x1d\x14\x04\x04\x05\x00\x05\x00"
		other    = "\x30\x09\x06\x03\x55\x1d\x15\x04\x02\x05\x00"
		critical = "\x30\x0c\x06\x03\x55\x1d\x15\x01\x01\xff\x04\x02\x05\x00"
	)
	errCritical := errors.New("critical")
	for _, tt := range []struct {
		name, text string
		unknown    error
		says       string // empty: good
	}{
		{"known", known, errCritical, ""},
		{"known and unknown", known + other, errCritical, ""},
		{"unknown and critical", known + critical, errCritical, "critical: an extension in field"},
		{"unknown, critical and malformed", critical, nil, "unknown critical extension"},
		{"twice", known + known, errCritical, "twice"},
		{"not read to its end", long, errCritical, "more elements"},
		{"none", "", errCritical, "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := x690.Reader{B: []byte(tt.text)}
			r.Extensions("field", tt.unknown, func(value *x690.Reader, e x690.Extension) bool {
				if string(e.OID) != "\x55\x1d\x14" {
					return false
				}
				value.Skip(x690.Null, "value")
				return true
			})
			if tt.says == "" {
				require.NoError(t, r.Err)
				return
			}
			require.ErrorContains(t, r.Err, tt.says)
			require.Equal(t, tt.unknown != nil && tt.name == "unknown and critical", errors.Is(r.Err, errCritical))
		})
	}
}
