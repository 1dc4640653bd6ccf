package revoke_test

import (
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store/storetest"
)

// budget keeps 8 certificates on the complete list, and spreads 9 to 17 over 8.
const budget = 1024 + 8*49

// spread has lists of so many bytes at most, and the shards for it in force at once.
func spread(bytes int) func(*revoke.PublisherConfig, *revoke.ResponderConfig) {
	return func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) {
		p.MaxBytes = bytes
		p.SpreadAtOnce()
	}
}

// enrolSharded returns a certificate that points at one of 8 lists.
func (w *world) enrolSharded(name string) *x509.Certificate {
	w.t.Helper()
	eventually(w.t, func() bool { return w.Authority.Shards() == 8 }, "8 shards")
	cert, _ := w.enrol(name)
	require.Contains(w.t, cert.CRLDistributionPoints[0], "/8/")
	return cert
}

// list fetches the list that a certificate points at.
func (w *world) list(cert *x509.Certificate) *crl.List {
	w.t.Helper()
	_, path, ok := strings.Cut(cert.CRLDistributionPoints[0], "http://ca.hospital.example")
	require.True(w.t, ok)
	list, err := crl.Open(w.get(path), w.issuing)
	require.NoError(w.t, err)
	return list
}

// n is the least power of two for which even the revocation of all certificates
// keeps each list within its bytes, with room for what chance does.
func TestShardsFor(t *testing.T) {
	for _, tt := range []struct{ limit, certificates, want int }{
		{budget, 0, 1}, {budget, 8, 1}, {budget, 9, 8}, {budget, 17, 8}, {budget, 18, 16},
		{64 << 10, 1000, 1}, {64 << 10, 1_000_000, 1024}, {1 << 20, 1_000_000, 64}, {64 << 20, 1_000_000, 1},
		{4096, 100_000_000, ca.MaxShards}, {0, 10, ca.MaxShards},
	} {
		require.Equal(t, tt.want, revoke.ShardsFor(tt.limit, tt.certificates), "%v", tt)
	}
}

// Once a new n is in force, certificates point at their shard, which is there, says
// so, and revokes them; those of before stay on the complete list, which has all of
// them. A restart forgets no n, also where shards are off by then.
func TestShards(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		w := newWorld(t, c, spread(budget))
		plain, _ := w.enrol("plain")
		require.Equal(t, []string{w.Authority.ListURL("full.crl")}, plain.CRLDistributionPoints)
		w.crowd("crowd", 9)
		cert := w.enrolSharded("pump")
		require.Equal(t, []string{cert.CRLDistributionPoints[0]}, w.list(cert).Scope().URLs)
		require.False(t, has(w.list(cert), cert))

		_, err := w.Revoker.Serial(t.Context(), root, serial(cert), orders)
		require.NoError(t, err)
		eventually(t, func() bool { return has(w.list(cert), cert) }, "the shard")
		require.True(t, has(w.open(w.Publisher.Full()), cert))
		require.Empty(t, w.list(cert).Freshest(), "a delta to the complete list is none to a shard")
		w.Stop()

		for name, bytes := range map[string]int{"on": budget, "off": 0} {
			again := newWorld(t, c, spread(bytes))
			require.True(t, has(again.list(cert), cert), name)
			require.Equal(t, again.list(cert).Number(), again.Publisher.Full().Number, name)
			require.GreaterOrEqual(t, again.Publisher.Full().Number, w.Publisher.Full().Number, name)
			again.Stop()
		}
	})
}

// Each revocation is on exactly one list of every n, the one that the certificate's
// number says, and all of them are of the full list's number and time.
func TestShardsAreDisjoint(t *testing.T) {
	c := enrolltest.New(t)
	for _, n := range []int{4, 16} {
		require.NoError(t, c.Store.AddSharding(t.Context(), c.Authority.IssuerID(), n))
	}
	w := newWorld(t, c)
	w.crowd("crowd", 50)
	fell, err := w.Revoker.Identity(t.Context(), root, "device/crowd", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return w.Publisher.Full().Number > fell.Number }, "a full list")
	full := w.open(w.Publisher.Full())
	for _, n := range []int{4, 16} {
		total := 0
		for i := range n {
			list, err := crl.Open(w.get("/crl/"+c.Authority.IssuerID()+"/"+ca.ShardName(n, i)), w.issuing)
			require.NoError(t, err)
			require.Equal(t, full.Number(), list.Number())
			require.Equal(t, full.ThisUpdate(), list.ThisUpdate())
			for e := range list.Entries().All() {
				require.Equal(t, i, e.Serial.Shard(n))
				_, found := full.Entries().Lookup(e.Serial)
				require.True(t, found)
				total++
			}
		}
		require.Equal(t, 50, total)
	}
}

// There is a shard under its one name only.
func TestNoSuchShard(t *testing.T) {
	c := enrolltest.New(t)
	require.NoError(t, c.Store.AddSharding(t.Context(), c.Authority.IssuerID(), 4))
	w := newWorld(t, c)
	w.get("/crl/" + c.Authority.IssuerID() + "/4/3.crl")
	for _, name := range []string{"4/4.crl", "4/-1.crl", "4/03.crl", "04/3.crl", "+4/3.crl", "2/1.crl", "4/3", "4/3.crl.crl", "4/.crl", "4/99999999999999999999.crl", "x/3.crl", "4/full.crl"} {
		resp, err := http.Get(w.URL + "/crl/" + c.Authority.IssuerID() + "/" + name)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusNotFound, resp.StatusCode, name)
	}
}

// A certificate leaves its shard after one that was published past its notAfter.
func TestEntriesLeaveShards(t *testing.T) {
	c := enrolltest.New(t)
	require.NoError(t, c.Store.AddSharding(t.Context(), c.Authority.IssuerID(), 2))
	w := newWorld(t, c, onClock(c))
	ended := w.revoke("pump-1")
	id, err := crl.SerialOf(ended.SerialNumber.Bytes())
	require.NoError(t, err)
	on := func(w *world) bool {
		list, err := crl.Open(w.get("/crl/"+c.Authority.IssuerID()+"/"+ca.ShardName(2, id.Shard(2))), w.issuing)
		require.NoError(t, err)
		return has(list, ended)
	}
	require.True(t, on(w))
	w.Stop()
	c.Advance(ended.NotAfter.Sub(c.Now()) + time.Hour)
	again := newWorld(t, c, onClock(c))
	require.True(t, on(again))
	again.revoke("pump-2")
	require.False(t, on(again))
}

// openssl takes a certificate's shard for its list, and no other shard, empty though
// it may be.
func TestOpenSSLShard(t *testing.T) {
	w := newWorld(t, enrolltest.New(t), spread(budget))
	w.crowd("crowd", 9)
	good, gone := w.enrolSharded("pump"), w.enrolSharded("valve")
	_, err := w.Revoker.Serial(t.Context(), root, serial(gone), orders)
	require.NoError(t, err)
	eventually(t, func() bool { return has(w.list(gone), gone) }, "the shard")
	issuing := w.write("issuing.pem", w.issuing)
	check := func(cert *x509.Certificate, path string) (string, bool) {
		file := filepath.Join(t.TempDir(), "list.crl")
		require.NoError(t, os.WriteFile(file, w.get(path), 0o600))
		return run(t, "openssl", "verify", "-partial_chain", "-crl_check", "-CAfile", issuing, "-CRLfile", file, w.write("cert.pem", cert))
	}
	own := func(cert *x509.Certificate) string {
		return strings.TrimPrefix(cert.CRLDistributionPoints[0], "http://ca.hospital.example")
	}
	_, ok := check(good, own(good))
	require.True(t, ok)
	out, ok := check(gone, own(gone))
	require.False(t, ok)
	require.Contains(t, out, "certificate revoked")
	for _, cert := range []*x509.Certificate{good, gone} {
		other := w.Authority.ListURL(ca.ShardName(8, 0))
		if other == cert.CRLDistributionPoints[0] {
			other = w.Authority.ListURL(ca.ShardName(8, 1))
		}
		out, ok = check(cert, strings.TrimPrefix(other, "http://ca.hospital.example"))
		require.False(t, ok)
		require.Contains(t, strings.ToLower(out), "different crl scope")
	}
}
