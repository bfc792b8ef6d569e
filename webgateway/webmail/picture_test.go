package webmail

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestOnlyPicturesOfFiveKindsAreKnown(t *testing.T) {
	t.Parallel()
	avif := "\x00\x00\x00\x20ftypavif\x00\x00\x00\x00mif1miaf"
	for name, c := range map[string]struct{ head, want string }{
		"png":                 {"\x89PNG\r\n\x1a\n\x00\x00", "image/png"},
		"jpeg":                {"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"},
		"gif":                 {"GIF89a\x01\x00", "image/gif"},
		"an old gif":          {"GIF87a\x01\x00", "image/gif"},
		"webp":                {"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"},
		"avif":                {avif, "image/avif"},
		"avif among others":   {"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00avifmiaf", "image/avif"},
		"its version is avif": {"\x00\x00\x00\x14ftypmp42avifisom", ""},
		"beyond its list":     {"\x00\x00\x00\x10ftypmp42\x00\x00\x00\x00avif", ""},
		"svg":                 {`<svg xmlns="http://www.w3.org/2000/svg"/>`, ""},
		"svg, as xml":         {`<?xml version="1.0"?><svg/>`, ""},
		"a page":              {"<!doctype html>", ""},
		"a sound":             {"RIFF\x00\x00\x00\x00WAVEfmt ", ""},
		"a pdf":               {"%PDF-1.7", ""},
		"bmp":                 {"BM\x00\x00\x00\x00\x00\x00", ""},
		"nothing":             {"", ""},
		"almost":              {"\x89PNG", ""},
	} {
		if got := pictureType([]byte(c.head)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestASealIsOfOneMemberOneAddressAndTwoDays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	m := &Webmail{Key: []byte("a key"), Fetch: nothing{}, Now: func() time.Time { return now }}
	at, ok := m.pictureAt(1, "https://x.test/a.png?u=1&v=é")
	_, seal, _ := strings.Cut(at, "&s=")
	if !ok || !m.sealed(1, "https://x.test/a.png?u=1&v=é", seal) {
		t.Fatalf("%s is not sealed", at)
	}
	for name, open := range map[string]bool{
		"another member":  m.sealed(2, "https://x.test/a.png?u=1&v=é", seal),
		"another address": m.sealed(1, "https://x.test/a.png?u=1&v=e", seal),
		"nothing":         m.sealed(1, "https://x.test/a.png?u=1&v=é", ""),
		"another key":     (&Webmail{Key: []byte("another"), Now: m.Now}).sealed(1, "https://x.test/a.png?u=1&v=é", seal),
		"no key":          (&Webmail{Now: m.Now}).sealed(1, "x", "zzzzzz."+(&Webmail{}).seal(1, "x", 2176782335)),
	} {
		if open {
			t.Errorf("%s opens it", name)
		}
	}
	if _, ok := m.pictureAt(1, "https://x.test/"+strings.Repeat("x", maxAddress)); ok {
		t.Error("an address without end is sealed")
	}
	if _, ok := (&Webmail{Key: []byte("a key")}).pictureAt(1, "https://x.test/"); ok {
		t.Error("without anybody who fetches pictures are shown")
	}
	now = now.Add(48 * time.Hour)
	if m.sealed(1, "https://x.test/a.png?u=1&v=é", seal) {
		t.Error("it does not end")
	}
}

type nothing struct{ Fetcher }

// A host that gives a byte now and then is waited for as long as one that gives
// none, and a reader with a slow line costs it nothing.
func TestPatienceIsWithTheHostAndNotWithTheReader(t *testing.T) {
	t.Parallel()
	ctx, over := context.WithCancel(t.Context())
	p := &patience{left: 10 * time.Millisecond, over: over}
	slow := &waiting{reader(func([]byte) (int, error) { <-ctx.Done(); return 0, ctx.Err() }), p}
	if _, err := io.ReadAll(slow); !errors.Is(err, context.Canceled) || p.left > 0 {
		t.Errorf("%v, %v left", err, p.left)
	}
	p = &patience{left: time.Hour, over: func() { t.Error("over") }}
	if b, err := io.ReadAll(&waiting{strings.NewReader("all of it"), p}); err != nil || string(b) != "all of it" || p.left >= time.Hour || p.left < time.Hour-time.Minute {
		t.Errorf("%q %v, %v left", b, err, p.left)
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(b []byte) (int, error) { return r(b) }

func TestOneMembersPicturesLeaveRoomForAnothers(t *testing.T) {
	t.Parallel()
	q := &queue{}
	var leaves []func()
	for range perMember {
		leave, err := q.enter(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.enter(gone, 1); err == nil {
		t.Error("there is no end to one member's")
	}
	leave, err := q.enter(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	waits := make(chan error)
	go func() {
		leave, err := q.enter(context.WithoutCancel(t.Context()), 1)
		if err == nil {
			leave()
		}
		waits <- err
	}()
	leaves[0]()
	if err := <-waits; err != nil {
		t.Error(err)
	}
	for _, leave := range leaves[1:] {
		leave()
	}
	if len(q.each) != 0 || len(q.all) != 0 {
		t.Errorf("%d members and %d places are left over", len(q.each), len(q.all))
	}
}

func TestATextIsShownInUnicodeAndNoLetterIsHalf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		most int64
		want string
	}{
		"Unicode":      {"été", 100, "été"},
		"with a mark":  {"\xef\xbb\xbfété", 100, "été"},
		"Windows":      {"\xe9t\xe9 \x80", 100, "été €"},
		"cut within":   {"ét\xc3", 4, "ét"},
		"cut between":  {"été", 5, "été"},
		"nothing left": {"\xe2\x82", 2, ""},
	} {
		if got := string(unicodeText([]byte(c.in), c.most)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTrackersAreNamedAsPeopleKnowThem(t *testing.T) {
	t.Parallel()
	got := strings.Join(places([]string{"a.list-manage.com", "asso.us5.list-manage.com", "t.asso.co.uk", "127.0.0.1", "localhost"}), " ")
	if got != "list-manage.com asso.co.uk 127.0.0.1 localhost" {
		t.Error(got)
	}
}
