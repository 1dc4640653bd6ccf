package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// schemas holds the numbered migrations of each engine: schema/ENGINE/NNNN_name.sql.
// A migration that was released is never changed. The engines have the same
// numbers. What the first line of each says: see contracts. How PostgreSQL makes an
// index over a table that is large: see beforehand.
//
//go:embed schema
var schemas embed.FS

// A migration is one step of the schema.
type migration struct {
	number    int
	name      string
	text      string
	contracts bool // programs that do not know it cannot go on
}

// migrate brings the schema up to date, in one transaction. A store that holds
// something is backed up before; with nothing to do, nothing is.
// It returns the number of the newest schema that this program knows.
func migrate(ctx context.Context, e engine, cfg Config) (int, error) {
	steps, err := migrations(schemas, e.schema())
	if err != nil {
		return 0, err
	}
	return steps[len(steps)-1].number, migrateTo(ctx, e, cfg, steps)
}

func migrateTo(ctx context.Context, e engine, cfg Config, steps []migration) error {
	if err := e.beforehand(ctx, steps); err != nil {
		return err
	}
	migrated := false
	err := e.migration(ctx, func(ctx context.Context, s *session) error {
		have, err := applied(ctx, e, s)
		if err != nil {
			return fmt.Errorf("reading the schema's number: %w", err)
		}
		last := steps[len(steps)-1].number
		if have == last {
			return nil
		}
		if have > last {
			return mayFollow(ctx, s.row, cfg, have, last)
		}
		if have == 0 && cfg.Existing {
			return fmt.Errorf("the database is empty: %w", ErrNoStore)
		}
		if err := mayContract(ctx, e, s, steps[have:]); err != nil {
			return err
		}
		if have > 0 && !cfg.NoBackup {
			if err := e.during(ctx, s, func(ctx context.Context) error { return copyBefore(ctx, e, cfg, have) }); err != nil {
				return err
			}
		}
		for _, m := range steps {
			if m.number <= have {
				continue
			}
			if err := e.script(ctx, s, m.text); err != nil {
				return fmt.Errorf("migration %04d_%s: %w", m.number, m.name, err)
			}
			if _, err := s.exec(ctx, `INSERT INTO migrations (number, name, applied_at) VALUES ($1, $2, $3)`,
				m.number, m.name, cfg.Now().UnixMilli()); err != nil {
				return fmt.Errorf("migration %04d_%s: %w", m.number, m.name, err)
			}
			cfg.Log.Info("schema migrated", "number", m.number, "name", m.name)
		}
		migrated = have > 0
		return remember(ctx, s, cfg, steps)
	})
	if err != nil || !migrated {
		return err
	}
	if err := e.convert(ctx); err != nil { // the store is as good as it was
		cfg.Log.Warn("the database's file was not rewritten", "error", err)
	}
	return nil
}

// applied returns the number of the newest migration that was applied, 0 if none.
func applied(ctx context.Context, e engine, s *session) (int, error) {
	if err := e.script(ctx, s, `
		CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)`); err != nil {
		return 0, err
	}
	rows, err := s.query(ctx, `SELECT COALESCE(MAX(number), 0) FROM migrations`, nil)
	if err != nil {
		return 0, err
	}
	var number int
	return number, scanOne(rows, []any{&number})
}

// migrations reads the migrations in a folder, in the order of their numbers,
// which count from 1 without gaps.
func migrations(files fs.FS, dir string) ([]migration, error) {
	names, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, entry := range names { // sorted by name
		number, name, ok := strings.Cut(strings.TrimSuffix(entry.Name(), ".sql"), "_")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n != len(all)+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", entry.Name(), len(all)+1)
		}
		text, err := fs.ReadFile(files, path.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		m := migration{number: n, name: name, text: string(text)}
		if m.contracts, err = contracts(m.text); err != nil {
			return nil, fmt.Errorf("migration %s: %w", entry.Name(), err)
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, errors.New("no migrations")
	}
	return all, nil
}
