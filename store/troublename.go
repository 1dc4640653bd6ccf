package store

import (
	"database/sql/driver"
	"io"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/mattn/go-sqlite3"
)

// nameOf names one error by itself, without what it wraps; empty if it has none.
func nameOf(err error) Trouble {
	switch err {
	case ErrDiskFull:
		return TroubleDiskFull
	case ErrSetBack:
		return TroubleSetBack
	case ErrRestored:
		return TroubleRestored
	case ErrNewerSchema:
		return TroubleNewer
	case driver.ErrBadConn, io.ErrUnexpectedEOF:
		return TroubleUnreachable
	}
	switch e := err.(type) {
	case sqlite3.Error:
		return nameOfSQLite(e)
	case *pgconn.PgError:
		return nameOfState(e.Code)
	case syscall.Errno: // it is a net.Error, too
		return nameOfErrno(e)
	case *pgconn.ConnectError, net.Error: // and so is a deadline that passed
		return TroubleUnreachable
	}
	return ""
}

// anyones says that an error may be of any file or connection, and not of the store's.
func anyones(err error) bool {
	switch err.(type) {
	case *pgconn.ConnectError:
		return false
	case syscall.Errno, net.Error:
		return true
	}
	return err == io.ErrUnexpectedEOF
}

// nameOfSQLite goes by the kernel's word, if there is one, and then by SQLite's.
func nameOfSQLite(err sqlite3.Error) Trouble {
	if t := nameOfErrno(err.SystemErrno); t != "" {
		return t
	}
	if err.ExtendedCode == sqlite3.ErrReadonlyDbMoved {
		return TroubleReplaced
	}
	switch err.Code {
	case sqlite3.ErrFull:
		return TroubleDiskFull
	case sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return TroubleReadOnly
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen:
		return TroubleIO
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return TroubleCorrupt
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return TroubleBusy
	}
	return ""
}

func nameOfErrno(err syscall.Errno) Trouble {
	switch err {
	case syscall.ENOSPC, syscall.EDQUOT:
		return TroubleDiskFull
	case syscall.EROFS, syscall.EACCES, syscall.EPERM:
		return TroubleReadOnly
	case syscall.EIO:
		return TroubleIO
	case syscall.ENOENT:
		return TroubleReplaced
	}
	return ""
}

// nameOfState goes by SQLSTATE, of which the first two digits are a class.
func nameOfState(code string) Trouble {
	switch code {
	case "53100":
		return TroubleDiskFull
	case "25006": // of a standby, too
		return TroubleReadOnly
	case "XX001", "XX002":
		return TroubleCorrupt
	}
	if len(code) != 5 {
		return ""
	}
	switch code[:2] {
	case "58":
		return TroubleIO
	case "08", "28", "3D", "53", "57": // connection, login, no such database, resources, operator
		return TroubleUnreachable
	}
	return ""
}
