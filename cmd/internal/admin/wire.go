package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// read decodes a request's JSON body, strictly.
func read(w http.ResponseWriter, r *http.Request, to any) error {
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != api.MediaJSON {
		return &api.BadRequestError{Status: http.StatusUnsupportedMediaType, Detail: "the body has to be JSON (Content-Type: application/json)"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, adminapi.MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &api.BadRequestError{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the request is larger than %d bytes", adminapi.MaxBody)}
	}
	if err != nil {
		return malformed("the request's body cannot be read to its end")
	}
	return api.DecodeJSON(body, to)
}

// reply writes an answer.
func reply(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	w.Header().Set("Content-Type", api.MediaJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // if the caller is gone, so be it
	return nil
}

// replyPage writes one page of a list.
func replyPage[R, T any](w http.ResponseWriter, records []R, next string, convert func(R) (T, error)) error {
	return replyNoted(w, records, next, "", convert)
}

// replyNoted is replyPage with a note.
func replyNoted[R, T any](w http.ResponseWriter, records []R, next, note string, convert func(R) (T, error)) error {
	page := adminapi.Page[T]{Items: make([]T, 0, len(records)), Next: next, Note: note}
	for _, record := range records {
		item, err := convert(record)
		if err != nil {
			return err
		}
		page.Items = append(page.Items, item)
	}
	return reply(w, http.StatusOK, page)
}

// parameters returns the query's parameters, of which there may be these and no
// others: a filter with a typing error must not list everything.
func parameters(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, malformed("the query is malformed")
	}
	for name, values := range q {
		if !slices.Contains(known, name) {
			return nil, malformed("there is no parameter %.40q here; known are %q", name, known)
		}
		if len(values) > 1 {
			return nil, malformed("parameter %s appears twice", name)
		}
	}
	return q, nil
}

// listParameters is parameters of a list, which also has pages.
func listParameters(r *http.Request, known ...string) (url.Values, store.Page, error) {
	q, err := parameters(r, append(known, "limit", "page_token")...)
	if err != nil {
		return nil, store.Page{}, err
	}
	page := store.Page{After: q.Get("page_token"), Limit: adminapi.DefaultLimit}
	if text := q.Get("limit"); text != "" {
		page.Limit, err = strconv.Atoi(text)
		if err != nil || page.Limit < 1 || page.Limit > adminapi.MaxLimit {
			return nil, store.Page{}, malformed("limit is a number from 1 to %d", adminapi.MaxLimit)
		}
	}
	return q, page, nil
}

// flag reads a parameter that is true or false; absent means false.
func flag(q url.Values, name string) (bool, error) {
	switch q.Get(name) {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, malformed("%s is true or false", name)
}

func malformed(format string, args ...any) error {
	return &api.BadRequestError{Status: http.StatusBadRequest, Detail: fmt.Sprintf(format, args...)}
}

// found names what the caller asked for in place of the store's ErrNotFound.
func found(err error, what string) error {
	if errors.Is(err, store.ErrNotFound) {
		return &adminapi.NotFoundError{What: what}
	}
	return err
}

// texts is never null in JSON.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
