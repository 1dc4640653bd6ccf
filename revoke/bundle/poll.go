package bundle

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const pollFor = time.Minute // a CA answers within 25 s

// pollPaced waits for a delta with another number than the one that is held, and not for
// long if there is one. It does not return sooner than such a one can come.
func (f *follower) pollPaced(ctx context.Context) error {
	began, before := time.Now(), f.number
	err := f.poll(ctx)
	switch {
	case err != nil:
		return err
	case f.number == before:
		sleep(ctx, time.Second-time.Since(began)) // who answers at once with nothing new is no CA
	default:
		sleep(ctx, pace-time.Since(began))
	}
	return nil
}

func (f *follower) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollFor)
	defer cancel()
	url := f.base + "/crl/" + f.id + "/poll?after=" + strconv.FormatInt(f.number, 10)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := f.conf.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusOK:
	default:
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, maxDelta+1))
	if err != nil {
		return err
	}
	if len(der) > maxDelta {
		return fmt.Errorf("GET %s: more than %d bytes", url, maxDelta)
	}
	return f.hear(ctx, der)
}
