package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// What meta remembers: the oldest schema that a program must know to work on the
	// database, and the version of the program that migrated it last.
	oldestKey  = "schema_oldest"
	programKey = "schema_program"

	readMeta   = `SELECT m.value FROM meta m WHERE m.key = $1`
	readOldest = `SELECT COALESCE((SELECT m.value FROM meta m WHERE m.key = $1), '0')`

	writeMeta = `
		INSERT INTO meta (key, value) VALUES ($1, $2)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value`
)

// contracts reads the first line of a migration: "-- expand: ..." if programs that
// do not know it may go on, because it only adds what they leave alone; "--
// contract: ..." if not. So replicas are upgraded one by one: the new ones expand
// the schema, and a later version, when no old one is left, contracts it.
func contracts(text string) (bool, error) {
	switch {
	case strings.HasPrefix(text, "-- expand: "):
		return false, nil
	case strings.HasPrefix(text, "-- contract: "):
		return true, nil
	}
	return false, errors.New("want -- expand: or -- contract: in the first line")
}

// A rowReader reads one row, or returns [ErrNotFound].
type rowReader func(ctx context.Context, query string, args []any, dest ...any) error

// mayFollow returns [ErrNewerSchema] unless a program that knows the schema up to
// last may work on what a newer one has made of it.
func mayFollow(ctx context.Context, row rowReader, cfg Config, have, last int) error {
	var oldest, program []byte
	for key, value := range map[string]*[]byte{oldestKey: &oldest, programKey: &program} {
		if err := row(ctx, readMeta, []any{key}, value); err != nil && !isNotFound(err) {
			return fmt.Errorf("reading what may work on schema %d: %w", have, err)
		}
	}
	newer := "a newer version"
	if len(program) > 0 {
		newer = "version " + string(program)
	}
	if n, err := strconv.Atoi(string(oldest)); err != nil || n > last {
		return fmt.Errorf("%w: %s made schema %d of it, and this program knows %d: run %s or one after it, or restore a backup from before",
			ErrNewerSchema, newer, have, last, newer)
	}
	cfg.Log.Warn("a newer program has expanded the schema: upgrade this one too", "schema", have, "by", newer, "known", last)
	return nil
}

// mayContract returns [ErrOlderReplica] if one of the steps ends what a live
// replica can do. A replica that comes later is refused: until the transaction ends
// none can join.
func mayContract(ctx context.Context, e engine, s *session, steps []migration) error {
	const first = 6 // has the table of replicas
	newest := 0
	for _, m := range steps {
		if m.contracts {
			newest = m.number
		}
	}
	if newest == 0 || !e.shared() || steps[0].number <= first {
		return nil
	}
	if _, err := s.exec(ctx, takeLock, int64(contractLock)); err != nil {
		return err
	}
	rows, err := s.query(ctx, readReplicas, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	all, err := collectReplicas(rows)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Live && r.Schema < newest {
			return fmt.Errorf("%w: %q, version %q, knows schema %d, and schema %d ends what it can do: upgrade it, or stop it", ErrOlderReplica, r.Name, r.Version, r.Schema, newest)
		}
	}
	return nil
}

// remember keeps what programs of before and after need to know of the steps that
// were applied.
func remember(ctx context.Context, s *session, cfg Config, steps []migration) error {
	oldest := 1
	for _, m := range steps {
		if m.contracts {
			oldest = m.number
		}
	}
	for key, value := range map[string]string{oldestKey: strconv.Itoa(oldest), programKey: cfg.Replica.Version} {
		if _, err := s.exec(ctx, writeMeta, key, []byte(value)); err != nil {
			return fmt.Errorf("recording what may work on the schema: %w", err)
		}
	}
	return nil
}
