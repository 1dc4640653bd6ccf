package lint

import (
	"fmt"
	"slices"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

// A finding is one rule that zlint says is broken, down to mere notices.
type finding struct {
	rule string // such as "e_ext_name_constraints_not_critical"
	text string // with source, section and details
}

// certificate lints a DER certificate by every rule that zlint has.
func certificate(der []byte) ([]finding, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return findings(zlint.LintCertificate(cert)), nil
}

// findings returns what is not passed, not applicable, or not yet in force.
func findings(results *zlint.ResultSet) []finding {
	var all []finding
	for rule, result := range results.Results {
		if result.Status > lint.Pass {
			all = append(all, finding{rule, fmt.Sprintf("%s: %s, %s %s: %s %s", rule, result.Status,
				result.LintMetadata.Source, result.LintMetadata.Citation, result.LintMetadata.Description, result.Details)})
		}
	}
	slices.SortFunc(all, func(a, b finding) int { return slices.Compare([]byte(a.rule), []byte(b.rule)) })
	return all
}
