// Command sbom writes the software bill of materials of a Go program, as CycloneDX
// 1.6 in JSON, from what the linker has put into it: nothing else can be in it.
//
//	sbom PROGRAM... > PROGRAM.cdx.json
//
// Of several builds of one program the parts of all are listed. The same programs give
// the same bytes: the serial number follows from their digests.
package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: sbom PROGRAM...")
		os.Exit(2)
	}
	if err := run(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, programs []string) error {
	whole := sha256.New()
	modules := make(map[string]debug.Module)
	var files []cdx.Component
	var main debug.Module
	var goVersion string
	for _, name := range programs {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		whole.Write(sum[:])
		info, err := buildinfo.ReadFile(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, cdx.Component{
			Type: cdx.ComponentTypeFile, Name: filepath.Base(name), BOMRef: "file:" + filepath.Base(name),
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}},
		})
		main, goVersion = info.Main, info.GoVersion
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			modules[m.Path] = *m
		}
	}
	modules["std"] = debug.Module{Path: "std", Version: goVersion}

	bom := cdx.NewBOM()
	bom.SerialNumber = "urn:uuid:" + uuid(whole.Sum(nil))
	subject := component(main, cdx.ComponentTypeApplication)
	bom.Metadata = &cdx.Metadata{Component: &subject}
	depends := cdx.Dependency{Ref: subject.BOMRef, Dependencies: &[]string{}}
	components := files
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		c := component(modules[path], cdx.ComponentTypeLibrary)
		components = append(components, c)
		*depends.Dependencies = append(*depends.Dependencies, c.BOMRef)
	}
	slices.SortStableFunc(components, func(a, b cdx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	bom.Components, bom.Dependencies = &components, &[]cdx.Dependency{depends}
	return cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
}

// component names a module by its package URL.
func component(m debug.Module, kind cdx.ComponentType) cdx.Component {
	purl := fmt.Sprintf("pkg:golang/%s@%s", m.Path, m.Version)
	return cdx.Component{Type: kind, BOMRef: purl, PackageURL: purl, Name: m.Path, Version: m.Version}
}

// uuid forms the digest's first half as a UUID of version 8 (RFC 9562, Section 5.8).
func uuid(sum []byte) string {
	u := slices.Clone(sum[:16])
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
