package server

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every key that the file names in a comment is one that is read where it stands: who
// takes the # away has it set.
func TestConfigComments(t *testing.T) {
	name, err := ParseName("ca.hospital.example")
	require.NoError(t, err)
	text, err := Beginning{Names: []Name{name}}.Text()
	require.NoError(t, err)
	comment := regexp.MustCompile(`(?m)^# ([a-z_]+ = )`)
	require.Greater(t, len(comment.FindAll(text, -1)), 30)
	_, err = parseConfig(t.TempDir()+"/"+ConfigFile, comment.ReplaceAll(text, []byte("$1")))
	require.NoError(t, err)
}
