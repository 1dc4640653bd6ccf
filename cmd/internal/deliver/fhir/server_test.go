package fhir_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// A server is a FHIR server as far as ITI-20 goes: it holds what it is sent against HL7's
// schema, and creates on a condition.
type server struct {
	t      testing.TB
	schema *jsonschema.Schema

	mu        sync.Mutex
	events    []string        // ids of the log, in the order of their creation
	there     map[string]bool // by the entity's identifier
	asked     int
	noBundles int             // status of the answer to a Bundle; 0: it is taken
	refuse    map[string]bool // ids
	plain     bool            // takes no condition
}

func newServer(t testing.TB) *server {
	f, err := os.Open("../../../../store/audit/atna/testdata/AuditEvent.schema.json")
	require.NoError(t, err)
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("AuditEvent", doc))
	schema, err := c.Compile("AuditEvent")
	require.NoError(t, err)
	return &server{t: t, schema: schema, there: map[string]bool{}, refuse: map[string]bool{}}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	body, err := io.ReadAll(r.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, "application/fhir+json", r.Header.Get("Content-Type"))
	require.Equal(s.t, http.MethodPost, r.Method)
	w.Header().Set("Content-Type", "application/fhir+json")
	switch r.URL.Path {
	case "/fhir/AuditEvent":
		w.WriteHeader(s.create(body, r.Header.Get("If-None-Exist")))
	case "/fhir":
		if s.noBundles != 0 {
			w.WriteHeader(s.noBundles)
			return
		}
		s.batch(w, body)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// batch answers a Bundle (FHIR, Section 3.1.0.11).
func (s *server) batch(w io.Writer, body []byte) {
	var b struct {
		ResourceType, Type string
		Entry              []struct {
			FullURL  string `json:"fullUrl"`
			Resource json.RawMessage
			Request  struct{ Method, URL, IfNoneExist string }
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	require.NoError(s.t, d.Decode(&b))
	require.Equal(s.t, [2]string{"Bundle", "batch"}, [2]string{b.ResourceType, b.Type})
	io.WriteString(w, `{"resourceType":"Bundle","type":"batch-response","entry":[`)
	for i, e := range b.Entry {
		require.Equal(s.t, [2]string{"POST", "AuditEvent"}, [2]string{e.Request.Method, e.Request.URL})
		require.True(s.t, strings.HasPrefix(e.FullURL, "urn:uuid:"))
		if i > 0 {
			io.WriteString(w, ",")
		}
		status := s.create(e.Resource, e.Request.IfNoneExist)
		fmt.Fprintf(w, `{"response":{"status":"%d %s"`, status, http.StatusText(status))
		if status >= 400 {
			io.WriteString(w, `,"outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}`)
		}
		io.WriteString(w, `}}`)
	}
	io.WriteString(w, `]}`)
}

// create creates an AuditEvent, unless there is one with the identifier of the condition.
func (s *server) create(body []byte, condition string) (status int) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(s.t, err)
	if err := s.schema.Validate(doc); err != nil {
		s.t.Errorf("%s: %v", body, err)
		return http.StatusUnprocessableEntity
	}
	var e struct {
		ID     string
		Entity []struct {
			What struct {
				Identifier struct{ System, Value string }
			}
		}
	}
	require.NoError(s.t, json.Unmarshal(body, &e))
	if s.refuse[e.ID] {
		return http.StatusUnprocessableEntity
	}
	if s.plain {
		require.Empty(s.t, condition)
	} else {
		wanted, ok := strings.CutPrefix(condition, "entity:identifier=urn:ietf:rfc:3986%7C")
		require.True(s.t, ok, condition)
		if s.there[wanted] {
			return http.StatusOK
		}
		found := false
		for _, one := range e.Entity {
			id := one.What.Identifier
			if id.System == "urn:ietf:rfc:3986" {
				s.there[id.Value] = s.there[id.Value] || id.Value == wanted
				found = found || id.Value == wanted
			}
		}
		require.True(s.t, found, "the condition is about this AuditEvent")
	}
	s.events = append(s.events, e.ID)
	return http.StatusCreated
}
