package report

import (
	"bytes"
	"encoding/xml"
	"time"

	"github.com/betonica/betonica/store/compliance"
)

// suites is a JUnit report, as CI systems read it: a suite for each safeguard.
type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Suites   []suite  `xml:"testsuite"`
}

type suite struct {
	Name      string  `xml:"name,attr"`
	Tests     int     `xml:"tests,attr"`
	Failures  int     `xml:"failures,attr"`
	Skipped   int     `xml:"skipped,attr"`
	Timestamp string  `xml:"timestamp,attr"`
	Cases     []tcase `xml:"testcase"`
}

type tcase struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	Failure *message `xml:"failure,omitempty"`
	Skipped *message `xml:"skipped,omitempty"`
	Out     string   `xml:"system-out,omitempty"`
}

type message struct {
	Text string `xml:"message,attr"`
	Body string `xml:",chardata"`
}

func junit(in Input) ([]byte, error) {
	r := in.Run
	all := suites{Name: r.Title + ", " + r.TrustDomain}
	for _, s := range compliance.Safeguards() {
		one := suite{Name: s.Cite() + " " + s.Title(), Timestamp: r.At.UTC().Format(time.RFC3339)}
		for _, c := range r.Results {
			if c.Safeguard == s {
				one.add(c)
			}
		}
		if one.Tests > 0 {
			all.Suites = append(all.Suites, one)
			all.Tests, all.Failures, all.Skipped = all.Tests+one.Tests, all.Failures+one.Failures, all.Skipped+one.Skipped
		}
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// add adds a check. What was not tested is skipped, and not passed.
func (s *suite) add(c compliance.Result) {
	one := tcase{Name: c.ID + " " + c.Title, Class: string(c.Safeguard)}
	s.Tests++
	switch c.State {
	case compliance.Fail:
		s.Failures++
		body := c.Do + "\n"
		for _, row := range c.Rows {
			body += row.What + "  " + row.Detail + "\n"
		}
		one.Failure = &message{c.Found, body}
	case compliance.NotTested, compliance.NotApplicable:
		s.Skipped++
		one.Skipped = &message{Text: string(c.State) + ": " + c.Found}
	default:
		one.Out = c.Found
	}
	s.Cases = append(s.Cases, one)
}
