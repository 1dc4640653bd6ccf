package enroll_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

var endorsement = strings.Repeat("5a", 32)

// A list is imported once, however often: then all of it is there, and each identity is
// found in the log.
func TestImport(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		lines := []enroll.ImportLine{
			{Serial: "SN 1", Name: "pump-1", Owner: "icu", Site: "north", EK: endorsement, DNSNames: []string{"Pump-1.Devices.Example"}},
			{Serial: "pump-2", IPs: []netip.Addr{netip.MustParseAddr("10.0.0.2")}},
		}
		status := func(dryRun bool) (all []enroll.ImportStatus) {
			results, err := c.Import(t.Context(), enrolltest.Root, "device", lines, dryRun)
			require.NoError(t, err)
			for _, r := range results {
				require.NotEmpty(t, r.Identity)
				all = append(all, r.Status)
			}
			return all
		}
		both := func(s enroll.ImportStatus) []enroll.ImportStatus { return []enroll.ImportStatus{s, s} }
		require.Equal(t, both(enroll.Imported), status(true))
		require.Empty(t, c.Audit("identity.import"))
		require.Equal(t, both(enroll.Imported), status(false))
		require.Equal(t, both(enroll.Unchanged), status(false))
		require.Len(t, c.Audit("identity.import"), 2)

		id, err := c.Store.Identity(t.Context(), "device/pump-1")
		require.NoError(t, err)
		require.Equal(t, store.Pending, id.State)
		require.Equal(t, []string{"icu", "north", "pump-1.devices.example"}, []string{id.Owner, id.Site, id.DNSNames[0]})
		v, err := c.Store.Device(t.Context(), "device", "SN 1")
		require.NoError(t, err)
		require.Equal(t, "device/pump-1", v.Identity)
		require.Len(t, v.EK, 32)
		entries, _, err := c.Store.AuditEntries(t.Context(), store.AuditFilter{Subject: "device/pump-1"}, store.Page{})
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})
}

// What is on record stays as it is, and it is said how a line differs; what cannot be
// recorded is refused; and the other lines are taken.
func TestImportTells(t *testing.T) {
	c := enrolltest.New(t)
	_, err := c.Import(t.Context(), enrolltest.Root, "device", []enroll.ImportLine{{Serial: "1", Name: "a", Owner: "icu", EK: endorsement}}, false)
	require.NoError(t, err)
	enrolled(t, c, "device", "gone")
	_, err = c.Retire(t.Context(), enrolltest.Root, "device/gone")
	require.NoError(t, err)

	lines := []struct {
		enroll.ImportLine
		status enroll.ImportStatus
		detail string
	}{
		{enroll.ImportLine{Serial: "1", Name: "a", Owner: "lab", Site: "x", EK: endorsement}, enroll.Differs, `owner is "icu", not "lab"; site is "", not "x"`},
		{enroll.ImportLine{Serial: "1", Name: "b", Owner: "icu", EK: endorsement}, enroll.Differs, `identity is "device/a", not "device/b"`},
		{enroll.ImportLine{Serial: "2", Name: "a", Owner: "icu"}, enroll.Differs, `device/a is the device with serial number "1"`},
		{enroll.ImportLine{Serial: "3", Name: "c", EK: strings.ToUpper(endorsement)}, enroll.Differs, "the endorsement key is that of device/a"},
		{enroll.ImportLine{Serial: "4", Name: "gone"}, enroll.Refused, "retired, for good"},
		{enroll.ImportLine{}, enroll.Refused, "serial: it is empty"},
		{enroll.ImportLine{Serial: "a b"}, enroll.Refused, "name: "},
		{enroll.ImportLine{Serial: "5\u202e", Name: "e"}, enroll.Refused, "cannot be printed"},
		{enroll.ImportLine{Serial: "5", Name: "e", Owner: "a\nb"}, enroll.Refused, "owner: "},
		{enroll.ImportLine{Serial: "5", Name: "e", Site: strings.Repeat("a", 257)}, enroll.Refused, "longer than 256"},
		{enroll.ImportLine{Serial: strings.Repeat("5", 129), Name: "e"}, enroll.Refused, "longer than 128"},
		{enroll.ImportLine{Serial: "5", Name: "e", EK: "5a"}, enroll.Refused, "ek_sha256"},
		{enroll.ImportLine{Serial: "5", Name: "e", DNSNames: []string{"*.x"}}, enroll.Refused, ""},
		{enroll.ImportLine{Serial: "5", Name: "e", IPs: make([]netip.Addr, 1)}, enroll.Refused, "address"},
		{enroll.ImportLine{Serial: "6", Name: "f", Owner: "one"}, enroll.Imported, ""},
		{enroll.ImportLine{Serial: "6", Name: "f", Owner: "two"}, enroll.Differs, `owner is "one"`}, // the first of two lines counts
	}
	var in []enroll.ImportLine
	for _, l := range lines {
		in = append(in, l.ImportLine)
	}
	results, err := c.Import(t.Context(), enrolltest.Root, "device", in, false)
	require.NoError(t, err)
	for i, l := range lines {
		require.Equal(t, l.status, results[i].Status, "%+v: %s", l.ImportLine, results[i].Detail)
		require.Contains(t, results[i].Detail, l.detail)
	}
	require.Len(t, c.Audit("identity.import"), 2)
}

// An identity that was there becomes the device's, and gets owner and site if it had
// none; its state stays.
func TestImportBinds(t *testing.T) {
	c := enrolltest.New(t)
	enrolled(t, c, "device", "a")
	for _, want := range []enroll.ImportStatus{enroll.Imported, enroll.Unchanged} {
		results, err := c.Import(t.Context(), enrolltest.Root, "device", []enroll.ImportLine{{Serial: "1", Name: "a", Owner: "icu", Site: "north"}}, false)
		require.NoError(t, err)
		require.Equal(t, want, results[0].Status, results[0].Detail)
	}
	id, err := c.Store.Identity(t.Context(), "device/a")
	require.NoError(t, err)
	require.Equal(t, store.Active, id.State)
	require.Equal(t, "icu", id.Owner)
	require.Equal(t, "north", id.Site)
}

// Two who import the same list at once make each device once.
func TestImportTwice(t *testing.T) {
	c := enrolltest.New(t)
	var lines []enroll.ImportLine
	for i := range 200 {
		lines = append(lines, enroll.ImportLine{Serial: fmt.Sprintf("SN-%d", i)})
	}
	imported := make(chan int)
	for range 2 {
		go func() {
			n := 0
			results, err := c.Import(t.Context(), enrolltest.Root, "device", lines, false)
			for _, r := range results {
				if r.Status == enroll.Imported {
					n++
				} else if r.Status != enroll.Unchanged {
					t.Errorf("%+v", r)
				}
			}
			if err != nil {
				t.Error(err)
			}
			imported <- n
		}()
	}
	require.Equal(t, 200, <-imported+<-imported)
	require.Len(t, c.Audit("identity.import"), 200)
}

// Who may not manage a role does not import for it.
func TestImportDenied(t *testing.T) {
	c := enrolltest.New(t)
	var denied *ca.DeniedError
	for role, by := range map[string]enroll.Actor{"admin": {Name: "operator/al"}, "ca": enrolltest.Root, "none": enrolltest.Root} {
		_, err := c.Import(t.Context(), by, role, []enroll.ImportLine{{Serial: "1"}}, false)
		require.ErrorAs(t, err, &denied, role)
	}
}
