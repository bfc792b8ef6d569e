package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"colporteur/outward"
)

// message is one push.
type message struct {
	body    []byte
	ttl     time.Duration // how long the service keeps it for a browser that is away
	urgency string        // RFC 8030 §5.3: what a phone that saves its battery does with it
	topic   string        // of several that wait there, the last of a topic is kept
}

// failed is what a push service answered that does not mean that it took a push.
type failed struct {
	status int // 0: it could not be asked
	after  time.Duration
	err    error
}

func (f *failed) Error() string {
	if f.err != nil {
		return f.err.Error()
	}
	return fmt.Sprintf("the push service answered %d", f.status)
}

// ended says whether nothing will ever be taken there. RFC 8620 §7.2 has all errors
// but 429 and 503 end a subscription. A proxy in front of a service that starts anew
// says 500 or 502, though, and a phone would be silent for it until its owner
// looks: these are asked again.
func (f *failed) ended() bool {
	switch {
	case errors.Is(f.err, outward.ErrForbidden):
		return true
	case f.status == http.StatusTooManyRequests, f.status == http.StatusRequestTimeout:
		return false
	}
	return f.status >= 300 && f.status < 500
}

// send pushes one message. An error is a *failed, or a failure of ours.
func (s *Service) send(ctx context.Context, to place, m message) error {
	u, err := url.Parse(to.URL)
	if err != nil {
		return err
	}
	authorization, err := s.authorization(ctx, u)
	if err != nil {
		return err
	}
	body := m.body
	if to.Keys != nil {
		if body, err = to.Keys.encrypt(m.body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if to.Keys != nil {
		r.Header.Set("Content-Encoding", "aes128gcm")
	}
	r.Header.Set("TTL", strconv.Itoa(int(m.ttl/time.Second)))
	r.Header.Set("Urgency", m.urgency)
	if m.topic != "" {
		r.Header.Set("Topic", m.topic)
	}
	r.Header.Set("Authorization", authorization)
	resp, err := s.Client.Do(r)
	if err != nil {
		if e := (*url.Error)(nil); errors.As(err, &e) {
			err = e.Err // without the address: who reads it in a log could push there
		}
		return &failed{err: err}
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	return &failed{status: resp.StatusCode, after: s.retryAfter(resp.Header.Get("Retry-After"))}
}

// retryAfter reads RFC 9110 §10.2.3, seconds or a date; 0 when nothing is said.
func (s *Service) retryAfter(v string) time.Duration {
	if n, err := strconv.Atoi(v); err == nil {
		return min(max(time.Duration(n), 0), 24*60*60) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(s.now()), 0), 24*time.Hour)
	}
	return 0
}
