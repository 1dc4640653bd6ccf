package compliance

import (
	"bytes"
	_ "embed"
	"fmt"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

//go:embed demands.toml
var demandsFile []byte

// A Demand is something that the rule asks of machines, and where it is met.
type Demand struct {
	Cites []string `toml:"cites" json:"cites"` // of 45 CFR
	Asks  string   `toml:"asks" json:"asks"`
	Met   string   `toml:"met" json:"met"` // and what of it is not

	// Checks show it over live state; Tests of this program, each by its folder and name,
	// show that the program does it.
	Checks []string `toml:"checks" json:"checks"`
	Tests  []string `toml:"tests" json:"tests"`
}

// Demands lists them in the rule's order. The list is not to be changed.
func Demands() []Demand { return demands() }

var demands = sync.OnceValue(func() []Demand {
	all, err := parseDemands(demandsFile)
	if err != nil {
		panic(err) // it is of this package, and a test reads it
	}
	return all
})

func parseDemands(text []byte) ([]Demand, error) {
	var file struct {
		Demand []Demand `toml:"demand"`
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&file); err != nil {
		return nil, fmt.Errorf("compliance: reading the demands: %w", err)
	}
	return file.Demand, nil
}
