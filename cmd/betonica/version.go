package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/fips"
)

// build says what this program was made from.
type build struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	FIPS140  string `json:"fips_140,omitempty"` // the cryptographic module in force
}

func versionCommand(env environment) *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print what this program was built from",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			b := build{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, fips.Module()}
			if *form != asTable {
				return writeOne(env, *form, b, nil)
			}
			_, err := fmt.Fprintf(env.stdout, "betonica %s %s %s%s\n", b.Version, b.Go, b.Platform, fips.Suffix())
			return err
		},
	}
	form = outputFlag(cmd)
	return cmd
}

// version is the module's version, or the commit where there is none.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
