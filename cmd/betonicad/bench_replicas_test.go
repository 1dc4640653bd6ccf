package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/storetest"
)

// BenchmarkReplicas is BenchmarkEnroll on one PostgreSQL: through one daemon, and through
// three that share it, on the same machine, with 32 clients and with as many for each of
// three. What each costs is per certificate, all daemons together.
func BenchmarkReplicas(b *testing.B) {
	debug.SetGCPercent(400)
	for _, load := range []struct{ clients, daemons int }{{32, 1}, {32, 3}, {96, 1}, {96, 3}} {
		n := load.daemons
		b.Run(fmt.Sprintf("postgres/daemons=%d/clients=%d", n, load.clients), func(b *testing.B) {
			dsn := storetest.Postgres(b).Database(b)
			first := newBench(b, newCA(b, "--dsn", dsn))
			first.postgres = serverOf(b, dsn)
			all := []*bench{first}
			for i := 1; i < n; i++ {
				dir := filepath.Join(b.TempDir(), "ca")
				require.NoError(b, os.WriteFile(dir+".passphrase", read(b, first.dir+".passphrase"), 0o600))
				run(b, "betonicad", "join", "--dsn", dsn, "--dir", dir, "--name", fmt.Sprintf("ca-%d", i+1))
				all = append(all, &bench{daemon: serve(b, dir), roots: first.roots})
				first.beside = append(first.beside, all[i].pid)
			}
			work := first.prepare(b, *certificates)
			conns := make([]*conn, load.clients)
			for i := range conns {
				var err error
				conns[i], err = dial(all[i%n].HTTPS, first.roots)
				require.NoError(b, err)
				b.Cleanup(func() { conns[i].Close() })
			}
			m := first.meter(b)
			before := transactions(b, all)
			m.time(len(conns), len(work), func(client, job int) error {
				return expect(http.StatusCreated)(conns[client].post(api.PathEnroll, work[job].token, work[job].csr))
			})
			b.ReportMetric(float64(len(work))/float64(transactions(b, all)-before), "certs/batch")
			m.report()
		})
	}
}

// transactions adds up those that the daemons made.
func transactions(b *testing.B, daemons []*bench) (sum int) {
	for _, d := range daemons {
		found := regexp.MustCompile(`(?m)^betonica_store_transactions_total (\d+)$`).FindStringSubmatch(d.metrics(b))
		require.Len(b, found, 2)
		n, err := strconv.Atoi(found[1])
		require.NoError(b, err)
		sum += n
	}
	return sum
}
