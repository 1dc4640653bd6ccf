package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"
)

// Whatever keeps a daemon from its work has a name by which monitors and people
// know what to do.
func TestTroubles(t *testing.T) {
	sqlite := func(code sqlite3.ErrNo, errno syscall.Errno) error {
		return sqlite3.Error{Code: code, SystemErrno: errno}
	}
	for _, tt := range []struct {
		err  error
		want []Trouble
	}{
		{nil, nil},
		{errors.New("something"), []Trouble{TroubleOther}},
		{ErrDiskFull, []Trouble{TroubleDiskFull}},
		{fmt.Errorf("%w: %w", ErrDiskFull, sqlite(sqlite3.ErrFull, 0)), []Trouble{TroubleDiskFull}},
		{sqlite(sqlite3.ErrIoErr, syscall.ENOSPC), []Trouble{TroubleDiskFull}},
		{sqlite(sqlite3.ErrIoErr, syscall.EIO), []Trouble{TroubleIO}},
		{sqlite(sqlite3.ErrIoErr, 0), []Trouble{TroubleIO}},
		{sqlite(sqlite3.ErrCantOpen, syscall.EROFS), []Trouble{TroubleReadOnly}},
		{sqlite(sqlite3.ErrCantOpen, syscall.ENOENT), []Trouble{TroubleReplaced}},
		{sqlite(sqlite3.ErrReadonly, 0), []Trouble{TroubleReadOnly}},
		{sqlite3.Error{Code: sqlite3.ErrReadonly, ExtendedCode: sqlite3.ErrReadonlyDbMoved}, []Trouble{TroubleReplaced}},
		{sqlite(sqlite3.ErrCorrupt, 0), []Trouble{TroubleCorrupt}},
		{sqlite(sqlite3.ErrNotADB, 0), []Trouble{TroubleCorrupt}},
		{sqlite(sqlite3.ErrBusy, 0), []Trouble{TroubleBusy}},
		{&commitError{&pgconn.PgError{Code: "53100"}}, []Trouble{TroubleDiskFull}},
		{&pgconn.PgError{Code: "25006"}, []Trouble{TroubleReadOnly}},
		{&pgconn.PgError{Code: "58030"}, []Trouble{TroubleIO}},
		{&pgconn.PgError{Code: "XX001"}, []Trouble{TroubleCorrupt}},
		{&pgconn.PgError{Code: "57P01"}, []Trouble{TroubleUnreachable}},
		{&pgconn.PgError{Code: "23505"}, []Trouble{TroubleOther}},
		{fmt.Errorf("%w: %w", ErrUnknown, context.DeadlineExceeded), []Trouble{TroubleUnreachable}},
		{fmt.Errorf("opening: %w", ErrSetBack), []Trouble{TroubleSetBack}},
		{fmt.Errorf("%w: schema 9", ErrNewerSchema), []Trouble{TroubleNewer}},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, []Trouble{TroubleReadOnly}},
		{fmt.Errorf("certificate: %w", InTrouble(TroubleCertificate, syscall.EIO)), []Trouble{TroubleCertificate}},
		{errors.Join(ErrDiskFull, InTrouble(TroubleLists, errors.New("no room")), ErrDiskFull), []Trouble{TroubleDiskFull, TroubleLists}},
	} {
		require.Equal(t, tt.want, Troubles(tt.err), "%v", tt.err)
		if len(tt.want) > 0 && tt.want[0] != TroubleOther {
			require.Equal(t, tt.want[0], TroubleOf(tt.err))
		} else {
			require.Empty(t, TroubleOf(tt.err))
		}
	}
	require.NoError(t, InTrouble(TroubleClock, nil))
}

// What any file or connection says is no word about the database: "no such file" about a list
// that somebody names is not that the database was replaced.
func TestTroubleOfStore(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want Trouble
	}{
		{nil, ""},
		{&fs.PathError{Op: "open", Path: "nosuch.crl", Err: syscall.ENOENT}, ""},
		{&net.OpError{Op: "listen", Err: syscall.EADDRINUSE}, ""},
		{fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), ""},
		{context.DeadlineExceeded, ""},
		{sqlite3.Error{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.ENOENT}, TroubleReplaced},
		{fmt.Errorf("opening: %w", &pgconn.ConnectError{}), TroubleUnreachable},
		{fmt.Errorf("opening: %w", ErrRestored), TroubleRestored},
		{errors.Join(syscall.ENOENT, InTrouble(TroubleHSM, syscall.EIO)), TroubleHSM},
	} {
		require.Equal(t, tt.want, TroubleOfStore(tt.err), "%v", tt.err)
	}
}

// Each trouble says in one line what is wrong and what to do.
func TestTroubleAdvice(t *testing.T) {
	for trouble := range advice {
		require.Regexp(t, `^[a-z-]+: [^;\n]+; [^\n]+$`, trouble.String())
		require.False(t, strings.HasSuffix(trouble.String(), "."), trouble)
	}
	require.EqualError(t, InTrouble(TroubleHSM, errors.New("gone")), "gone")
}
