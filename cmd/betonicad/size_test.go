package main_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/storetest"
)

// BenchmarkSize is what the daemon does with -size live certificates on record,
// beside what it does with none, in one run. The stores are filled as [fillTo]
// says, once if -bench-dir keeps them.
func BenchmarkSize(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		dir, fresh := sizedDir(b, "sqlite")
		if fresh {
			newSizedCA(b, dir, "")
		}
		measureSize(b, newCA(b), dir, 0)
	})
	b.Run("postgres", func(b *testing.B) {
		dir, _ := sizedDir(b, "postgres")
		require.NoError(b, os.Chmod(filepath.Dir(dir), 0o755))
		cluster := storetest.PostgresIn(b, filepath.Join(filepath.Dir(dir), "cluster"), serverAtSize...)
		dsn, fresh := cluster.Named(b, "sized")
		if fresh {
			newSizedCA(b, dir, dsn)
		}
		setDSN(b, dir, dsn) // the port is another one each time
		measureSize(b, newCA(b, "--dsn", cluster.Database(b)), dir, serverOf(b, dsn))
	})
}

// serverAtSize is what package store wants of the server of a large store, and cannot be found
// in a server's defaults.
var serverAtSize = []string{"max_wal_size=4GB", "checkpoint_timeout=15min", "wal_compression=lz4", "shared_buffers=4GB", "shared_preload_libraries=pg_prewarm"}

// sizedDir is where a filled CA lies, and whether there is none yet.
func sizedDir(b *testing.B, engine string) (dir string, fresh bool) {
	keep := *benchDir
	if keep == "" {
		keep = b.TempDir()
		require.NoError(b, os.Chmod(filepath.Dir(keep), 0o755)) // a server of another user's works in it, too
	}
	dir = filepath.Join(keep, fmt.Sprintf("%s-%d", engine, *size), "ca")
	require.NoError(b, os.MkdirAll(filepath.Dir(dir), 0o755))
	_, err := os.Stat(dir)
	return dir, err != nil
}

func measureSize(b *testing.B, empty, sized string, postgres int) {
	fillTo(b, sized, *size)
	was := startedBench(b, empty, postgres)
	was.enrollments(b, "empty")
	idle := residentMiB(b, was.pid)
	require.NoError(b, was.stop())

	d := startedBench(b, sized, postgres)
	d.watched(b)
	d.enrollments(b, "enroll")
	b.Run("memory", func(b *testing.B) {
		more := residentMiB(b, d.pid) - idle
		b.ReportMetric(more, "MiB-more-than-empty")
		b.ReportMetric(more*1e6/float64(*size), "MiB/million")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("lists", d.lists)
	require.NoError(b, d.stop())
	b.Run("start", func(b *testing.B) { startTimes(b, sized) })
	b.Run("verify", func(b *testing.B) { verifyTimes(b, sized) })
}

// enrollments are those of some machines at a time, and of as many as load the host fully.
func (d *bench) enrollments(b *testing.B, name string) {
	for _, clients := range []int{8, 32} {
		b.Run(fmt.Sprintf("%s/clients=%d", name, clients), func(b *testing.B) { d.enroll(b, clients, *certificates) })
	}
}

// watched waits until the watch over the log has read what the filling wrote behind its
// back: a daemon that issued it all would have read it meanwhile.
func (d *bench) watched(b *testing.B) {
	require.Eventually(b, func() bool {
		text := d.metrics(b)
		return strings.Contains(text, "\nbetonica_alert_watching 1\n") && strings.Contains(text, "\nbetonica_alert_behind_seconds 0\n")
	}, 2*time.Hour, time.Second)
}

func startedBench(b *testing.B, dir string, postgres int) *bench {
	d := newBench(b, dir)
	d.postgres = postgres
	return d
}

// startTimes is from the start of the process to the first answer over TLS.
func startTimes(b *testing.B, dir string) {
	roots := rootsOf(b, dir)
	var took []time.Duration
	for range 10 {
		began := time.Now()
		d, err := start(dir)
		require.NoError(b, err)
		c, err := dial(d.HTTPS, roots)
		require.NoError(b, err)
		_, _, err = c.post(api.PathEnroll, "", nil)
		require.NoError(b, err)
		took = append(took, time.Since(began))
		c.Close()
		require.NoError(b, d.stop())
	}
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), "ms-to-answer")
	b.ReportMetric(0, "ns/op")
}

// verifyTimes is what it takes to verify the whole log in a process of its own.
func verifyTimes(b *testing.B, dir string) {
	cmd, err := command("betonicad", "audit", "verify", "--dir", dir)
	require.NoError(b, err)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	require.NoError(b, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// What wait(2) reports as the peak counts what this process held when it started that one.
	peak := 0.0
	for look := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-look.C:
			if now, ok := resident(cmd.Process.Pid); ok {
				peak = max(peak, now)
			}
			continue
		case err = <-ended:
		}
		break
	}
	took := time.Since(began)
	require.NoError(b, err, "%s", out.Bytes())
	b.Logf("%s", out.Bytes())
	b.ReportMetric(took.Seconds(), "s")
	b.ReportMetric(peak, "MiB-peak")
	b.ReportMetric(0, "ns/op")
}

// lists measures each list and search of the admin API over its socket, one after
// the other, of names that are there.
func (d *bench) lists(b *testing.B) {
	admin, ctx := d.admin(b), b.Context()
	paths, serials := d.sample(b)
	name := func() string { return paths[rand.IntN(len(paths))] }
	page := adminapi.PageRequest{}
	for _, list := range []struct {
		name string
		ask  func() error
	}{
		{"identities", func() error { _, err := admin.Identities(ctx, adminapi.IdentityFilter{}, page); return err }},
		{"identities-role", func() error {
			_, err := admin.Identities(ctx, adminapi.IdentityFilter{Role: "device"}, page)
			return err
		}},
		{"identities-state", func() error {
			_, err := admin.Identities(ctx, adminapi.IdentityFilter{State: "suspended"}, page)
			return err
		}},
		{"identities-owner", func() error {
			_, err := admin.Identities(ctx, adminapi.IdentityFilter{Owner: "nobody"}, page)
			return err
		}},
		{"identities-search", func() error {
			_, err := admin.Identities(ctx, adminapi.IdentityFilter{Search: name()[len("device/"):][:5]}, page)
			return err
		}},
		{"identities-search-state", func() error {
			_, err := admin.Identities(ctx, adminapi.IdentityFilter{Search: name()[len("device/"):][:4], State: "suspended"}, page)
			return err
		}},
		{"identity", func() error { _, err := admin.Identity(ctx, name()); return err }},
		{"certificates", func() error { _, err := admin.Certificates(ctx, adminapi.CertificateFilter{}, page); return err }},
		{"certificates-live", func() error {
			_, err := admin.Certificates(ctx, adminapi.CertificateFilter{Live: true}, page)
			return err
		}},
		{"certificates-identity", func() error {
			_, err := admin.Certificates(ctx, adminapi.CertificateFilter{Identity: name()}, page)
			return err
		}},
		{"certificates-identity-live", func() error {
			_, err := admin.Certificates(ctx, adminapi.CertificateFilter{Identity: name(), Live: true}, page)
			return err
		}},
		{"certificate", func() error { _, err := admin.Certificate(ctx, serials[rand.IntN(len(serials))]); return err }},
		{"tokens", func() error { _, err := admin.Tokens(ctx, adminapi.TokenFilter{}, page); return err }},
		{"tokens-open", func() error { _, err := admin.Tokens(ctx, adminapi.TokenFilter{Open: true}, page); return err }},
		{"tokens-role", func() error { _, err := admin.Tokens(ctx, adminapi.TokenFilter{Role: "service"}, page); return err }},
		{"tokens-name", func() error {
			_, err := admin.Tokens(ctx, adminapi.TokenFilter{Role: "device", Name: name()[len("device/"):]}, page)
			return err
		}},
		{"audit", func() error { _, err := admin.Audit(ctx, adminapi.AuditFilter{}, page); return err }},
		{"audit-subject", func() error { _, err := admin.Audit(ctx, adminapi.AuditFilter{Subject: name()}, page); return err }},
		{"audit-actor", func() error { _, err := admin.Audit(ctx, adminapi.AuditFilter{Actor: "uid:0"}, page); return err }},
		{"audit-action", func() error {
			_, err := admin.Audit(ctx, adminapi.AuditFilter{Action: "daemon.start"}, page)
			return err
		}},
		{"audit-issue", func() error {
			_, err := admin.Audit(ctx, adminapi.AuditFilter{Action: "certificate.issue"}, page)
			return err
		}},
		{"audit-since", func() error {
			_, err := admin.Audit(ctx, adminapi.AuditFilter{Until: time.Now().Add(-time.Hour)}, page)
			return err
		}},
		{"status", func() error { _, err := admin.Status(ctx); return err }},
	} {
		b.Run(list.name, func(b *testing.B) {
			took := make([]time.Duration, 0, 1000) // of 200, the second slowest would be the p99
			for began := time.Now(); len(took) < cap(took) && time.Since(began) < 20*time.Second; {
				at := time.Now()
				require.NoError(b, list.ask())
				took = append(took, time.Since(at))
			}
			slices.Sort(took)
			b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
			b.ReportMetric(milliseconds(took[len(took)*99/100]), "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// sample returns identities and serials from all over the store.
func (d *bench) sample(b *testing.B) (paths, serials []string) {
	admin := d.admin(b)
	for range 200 {
		search := string("abcdefghijklmnopqrstuvwxyz"[rand.IntN(26)]) + string("abcdefghijklmnopqrstuvwxyz"[rand.IntN(26)])
		page, err := admin.Identities(b.Context(), adminapi.IdentityFilter{Role: "device", Search: search}, adminapi.PageRequest{Limit: 1})
		require.NoError(b, err)
		for _, id := range page.Items {
			paths = append(paths, id.Path)
			certs, err := admin.Certificates(b.Context(), adminapi.CertificateFilter{Identity: id.Path}, adminapi.PageRequest{Limit: 1})
			require.NoError(b, err)
			for _, c := range certs.Items {
				serials = append(serials, c.Serial)
			}
		}
	}
	require.NotEmpty(b, serials)
	return paths, serials
}

// setDSN writes where the store is into a configuration that has it.
func setDSN(b *testing.B, dir, dsn string) {
	file, dsnLine := filepath.Join(dir, "betonica.toml"), regexp.MustCompile(`(?m)^dsn = .*$`)
	text, err := os.ReadFile(file)
	require.NoError(b, err)
	text = dsnLine.ReplaceAll(text, []byte(fmt.Sprintf("dsn = %q", dsn)))
	require.NoError(b, os.WriteFile(file, text, 0o600))
}
