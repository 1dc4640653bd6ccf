package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

const aSerial = "01a200dc93a81fef9c9019235d322ce0"

// readText reads text as a file of revocations.
func readText(text, reason string) (*revocationFile, string, error) {
	var errs bytes.Buffer
	f, err := readRevocations(environment{stdin: strings.NewReader(text), stderr: &errs}, "-", reason)
	return f, errs.String(), err
}

// A file names an identity or a certificate a line, however it was written down, and
// each counts once.
func TestReadRevocations(t *testing.T) {
	file, said, err := readText("\ufeff# stolen on Friday\r\n\r\ndevice/pump-7\r\n  device/pump-8\tsuperseded # replaced\n"+
		strings.ToUpper(aSerial)+"\n\ndevice/pump-7 keyCompromise\ngateway/A_b.c-1", "keyCompromise")
	require.NoError(t, err)
	require.Empty(t, said)
	require.Equal(t, []listed{
		{3, adminapi.RevocationItem{Identity: "device/pump-7", Reason: "keyCompromise"}},
		{4, adminapi.RevocationItem{Identity: "device/pump-8", Reason: "superseded"}},
		{5, adminapi.RevocationItem{Serial: aSerial, Reason: "keyCompromise"}},
		{8, adminapi.RevocationItem{Identity: "gateway/A_b.c-1", Reason: "keyCompromise"}},
	}, file.items)
	require.Equal(t, 1, file.repeated)
	identities, certificates := file.counts()
	require.Equal(t, []int{3, 1}, []int{identities, certificates})

	empty, _, err := readText("# nobody\n", "")
	require.NoError(t, err)
	require.Empty(t, empty.items)
}

// Each line that makes no sense is named with its number, not only the first, and
// nothing is to be done then.
func TestReadBadRevocations(t *testing.T) {
	bad := []string{
		"device", "device/", "/pump-7", "device/pump/7", "device/pump 7", "device/pümp", "spiffe://hospital.example/device/pump-7",
		aSerial[1:], aSerial + "0", "0x" + aSerial[2:], "device/pump-7 certificateHold", "device/pump-7 stolen", "device/a superseded too",
		"device/" + strings.Repeat("a", 65), "device/\x1b[2J", "--yes",
	}
	file, said, err := readText("device/good\n"+strings.Join(bad, "\n")+"\ndevice/good superseded\n", "")
	require.Nil(t, file)
	require.ErrorContains(t, err, "17 bad lines")
	require.Equal(t, exitUsage, exitCode(err))
	lines := strings.Split(strings.TrimSpace(said), "\n")
	require.Len(t, lines, len(bad)+1)
	require.True(t, strings.HasPrefix(lines[0], "-:2: "))
	require.True(t, strings.HasPrefix(lines[16], "-:18: line 1 gives another reason"))
	require.NotContains(t, said, "\x1b")

	_, _, err = readText("device/good "+strings.Repeat("#", maxLine), "")
	require.Error(t, err)
	_, _, err = readText("device/good", "certificateHold")
	require.Equal(t, exitUsage, exitCode(err))
	_, err = readRevocations(environment{}, filepath.Join(t.TempDir(), "none"), "")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Whatever a line says, it names one thing that can be revoked, nothing, or is bad.
func FuzzParseRevocation(f *testing.F) {
	for _, text := range []string{"device/pump-7", aSerial + " superseded # x", "#", "a/b c", "\x00/\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		item, err := parseRevocation(text, "")
		switch {
		case err != nil:
			require.Empty(t, item)
		case item.target() == "":
			require.Empty(t, strings.Fields(strings.SplitN(text, "#", 2)[0]))
		default:
			require.NotEqual(t, item.Identity == "", item.Serial == "")
			again, err := parseRevocation(item.target()+" "+item.Reason, "")
			require.NoError(t, err)
			require.Equal(t, item, again)
		}
	})
}
