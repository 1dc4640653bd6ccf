// Package manual writes a program's manual pages from its commands. Programs do not link
// it: their tests do, which is how the pages come into packages.
package manual

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Write writes a page of section 1 for each command below root into a directory, which it
// makes, and returns their names. They are dated by $SOURCE_DATE_EPOCH, so that two
// builds of one source are the same. It returns an error for a command without a page or
// a description, and, where man(1) is installed, for a page that it warns of.
func Write(root *cobra.Command, dir string) ([]string, error) {
	root.DisableAutoGenTag = true // the day of the build
	date := time.Unix(0, 0).UTC()
	if at, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		date = time.Unix(at, 0).UTC()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	header := &doc.GenManHeader{Section: "1", Date: &date, Source: "Betonica", Manual: "Betonica"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return nil, err
	}
	pages, err := described(root, dir)
	if err != nil {
		return nil, err
	}
	return pages, proofread(pages)
}

// described returns the pages of cmd and of the commands below it.
func described(cmd *cobra.Command, dir string) (pages []string, err error) {
	if cmd.Short == "" {
		return nil, fmt.Errorf("%s has no description", cmd.CommandPath())
	}
	page := filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
	if _, err := os.Stat(page); err != nil {
		return nil, err
	}
	pages = append(pages, page)
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		below, err := described(c, dir)
		if err != nil {
			return nil, err
		}
		pages = append(pages, below...)
	}
	return pages, nil
}

// proofread has man(1) read the pages.
func proofread(pages []string) error {
	if _, err := exec.LookPath("man"); err != nil {
		return nil
	}
	var warnings strings.Builder
	cmd := exec.Command("man", append([]string{"--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"}, pages...)...)
	cmd.Stderr = &warnings
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("man: %w: %s", err, warnings.String())
	}
	if text := warnings.String(); text != "" {
		return fmt.Errorf("man: %s", text)
	}
	return nil
}
