package webmail

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"colporteur/mail"
)

// Pictures from elsewhere come through us: whoever sends them sees this house, not
// the member's address, browser, language or cookies.

// Fetcher asks other hosts; package outward has one that asks no host of the
// inside, follows redirects by the same rule, and says nothing about the asker.
type Fetcher interface {
	Do(*http.Request) (*http.Response, error)
}

// Bounds of one picture, and of what is fetched at once.
const (
	maxPicture  = 10 << 20
	maxAddress  = 4000             // of a picture's address
	pictureWait = 20 * time.Second // that its host lets us wait, all in all
	pictureKept = 24 * time.Hour   // in the member's browser
	fetching    = 48
	perMember   = 6 // as many as a browser has over one connection of old
)

// pictureAt is where a member's browser has a picture from: an address that is
// theirs alone, for two days at most. Without its seal we would fetch for anybody
// whatever they name. It is the same all day, so that a browser knows it again.
func (m *Webmail) pictureAt(u mail.UserID, src string) (string, bool) {
	if m.Fetch == nil || len(m.Key) == 0 || len(src) > maxAddress {
		return "", false
	}
	until := m.now().Truncate(pictureKept).Add(2 * pictureKept).Unix()
	return "/mail/picture?u=" + url.QueryEscape(src) + "&s=" + strconv.FormatInt(until, 36) + "." + m.seal(u, src, until), true
}

func (m *Webmail) seal(u mail.UserID, src string, until int64) string {
	h := hmac.New(sha256.New, m.Key)
	fmt.Fprintf(h, "picture\n%d\n%d\n%s", u, until, src)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// sealed says whether a seal is of that member and address, and still holds.
func (m *Webmail) sealed(u mail.UserID, src, seal string) bool {
	head, mac, _ := strings.Cut(seal, ".")
	until, err := strconv.ParseInt(head, 36, 64)
	return err == nil && len(m.Key) > 0 && hmac.Equal([]byte(mac), []byte(m.seal(u, src, until))) && m.now().Unix() < until
}

// picture fetches a picture from elsewhere. A failure of its host is told like an
// address that is wrong: it is not ours to explain, and a picture shows no words.
func (m *Webmail) picture(w http.ResponseWriter, r *http.Request) error {
	u, err := m.Doors.Sessions.User(r) // without the way to the door: nobody signs in inside of a picture
	if err != nil {
		return err
	}
	src := r.URL.Query().Get("u")
	if m.Fetch == nil || !m.sealed(u.ID, src, r.URL.Query().Get("s")) {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	leave, err := m.queue.enter(r.Context(), u.ID)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	patience := &patience{left: pictureWait, over: cancel}
	lost := func(why error) error {
		var e *url.Error
		if errors.As(why, &e) {
			why = e.Err // without the address, which is a mail's
		}
		m.log().InfoContext(r.Context(), "picture not fetched", "user", u.ID, "err", why)
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, src, nil)
	if err != nil || ask.URL.User != nil || ask.URL.Scheme != "http" && ask.URL.Scheme != "https" {
		return lost(errors.New("no address of the web"))
	}
	// The same from every member, and nothing else: no cookies, no Referer, nothing
	// of what the browser said.
	ask.Header.Set("User-Agent", "Mozilla/5.0 (compatible; mail picture)")
	ask.Header.Set("Accept", "image/avif,image/webp,image/png,image/jpeg,image/gif")
	resp, err := waited(patience, func() (*http.Response, error) { return m.Fetch.Do(ask) })
	if err != nil {
		return lost(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength > maxPicture {
		return lost(fmt.Errorf("status %d, %d octets", resp.StatusCode, resp.ContentLength))
	}
	body := &waiting{resp.Body, patience}
	head := make([]byte, 512)
	n, err := io.ReadFull(body, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return lost(err)
	}
	kind := pictureType(head[:n])
	if kind == "" {
		return lost(errors.New("no picture"))
	}
	h := w.Header()
	h.Set("Content-Type", kind) // what it is, not what its host calls it
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
	h.Set("Content-Disposition", "inline")
	h.Set("Cache-Control", fmt.Sprintf("private, max-age=%d, immutable", int(pictureKept/time.Second)))
	if resp.ContentLength >= 0 {
		h.Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
	sent, err := io.Copy(w, io.MultiReader(bytes.NewReader(head[:n]), io.LimitReader(body, maxPicture-int64(n))))
	if err == nil && sent == maxPicture {
		if more, _ := body.Read(head[:1]); more > 0 {
			err = fmt.Errorf("more than %d octets", maxPicture)
		}
	}
	if err != nil {
		if r.Context().Err() == nil {
			lost(err)
		}
		return http.ErrAbortHandler // the browser sees that it is not whole, and keeps no half
	}
	return nil
}

// pictureType is what a file is by its first octets, "" when it is no picture of a
// kind that is shown: SVG is a program, and of what is not known nobody knows what
// a browser would do with it.
func pictureType(head []byte) string {
	s := string(head)
	switch {
	case strings.HasPrefix(s, "\x89PNG\r\n\x1a\n"):
		return "image/png"
	case strings.HasPrefix(s, "\xff\xd8\xff"):
		return "image/jpeg"
	case strings.HasPrefix(s, "GIF87a"), strings.HasPrefix(s, "GIF89a"):
		return "image/gif"
	case len(s) >= 16 && s[:4] == "RIFF" && s[8:12] == "WEBP":
		return "image/webp"
	case len(s) >= 16 && s[4:8] == "ftyp": // ISO/IEC 23000-22: a list of what it can be read as
		size := int(head[0])<<24 | int(head[1])<<16 | int(head[2])<<8 | int(head[3])
		for i := 8; i+4 <= min(size, len(s)); i += 4 {
			if brand := s[i : i+4]; i != 12 && (brand == "avif" || brand == "avis") {
				return "image/avif"
			}
		}
	}
	return ""
}

// patience is how long a host may let us wait, all in all. A reader with a slow
// line is not its fault, and not counted.
type patience struct {
	left time.Duration
	over func()
}

func waited[T any](p *patience, do func() (T, error)) (T, error) {
	begun := time.Now()
	t := time.AfterFunc(max(p.left, 0), p.over)
	v, err := do()
	t.Stop()
	p.left -= time.Since(begun)
	return v, err
}

type waiting struct {
	io.Reader
	*patience
}

func (r *waiting) Read(b []byte) (int, error) {
	return waited(r.patience, func() (int, error) { return r.Reader.Read(b) })
}
