// Package storetest gives tests the databases that package store runs on: a
// SQLite file of their own, and a PostgreSQL that is started for the test binary
// and is gone when that is, however it ends.
//
// Only tests import it.
package storetest
