package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store/storetest"
)

// Where the key lies in an HSM a replica refers to it as the others do, and gets no file
// that holds it; what is sealed comes along.
func TestJoinHSM(t *testing.T) {
	_, ref := hsm(t, "issuing")
	dsn := storetest.Postgres(t).Database(t)
	dir := newCA(t, "--dsn", dsn, "--ca-key", ref)
	other := besides(t, dir)
	_, _, err := try(t, "join", "--dsn", dsn, "--dir", other, "--name", "ca-2")
	require.NoError(t, err)
	require.NoFileExists(t, layout(other).key())
	require.FileExists(t, layout(other).sealingKey())
	ours, err := server.ReadConfig(dir)
	require.NoError(t, err)
	theirs, err := server.ReadConfig(other)
	require.NoError(t, err)
	require.Equal(t, ours.CA.Key, theirs.CA.Key)
	require.NoError(t, os.CopyFS(other+".root", os.DirFS(dir+".root"))) // for curl
	d := start(t, other)
	newMachine(t, d).enrol("device", "SN-1")
}
