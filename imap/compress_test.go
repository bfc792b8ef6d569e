package imap

import (
	"bufio"
	"compress/flate"
	"io"
	"strings"
	"testing"

	"colporteur/imap/deflate"
)

// squeezed is a client that speaks through a compressor of the library's.
type squeezed struct {
	*raw
	w *flate.Writer
}

func (h *host) squeezed(name string) *squeezed {
	h.t.Helper()
	c := h.login(name)
	c.ok("COMPRESS DEFLATE")
	w, _ := flate.NewWriter(c.Conn, 6)
	c.br = bufio.NewReader(deflate.NewReader(c.br))
	return &squeezed{raw: c, w: w}
}

func (c *squeezed) say(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.w, s); err != nil {
		c.t.Fatal(err)
	}
	if err := c.w.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

func TestASessionGoesOnCompressed(t *testing.T) {
	h := newHost(t)
	c := h.squeezed("ann")
	c.say("a SELECT INBOX\r\nb COMPRESS DEFLATE\r\nc LOGOUT\r\n")
	got := c.rest()
	for _, want := range []string{"* 0 EXISTS\r\n", "a OK [READ-WRITE]", "b NO [COMPRESSIONACTIVE]", "* BYE ", "c OK LOGOUT completed\r\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("without %q:\n%s", want, got)
		}
	}
}

func TestWhatIsNoDeflateEndsTheSession(t *testing.T) {
	h := newHost(t)
	c := h.login("ann")
	c.ok("COMPRESS DEFLATE")
	c.send("\xff\xff\xff\xff NOOP\r\n")
	c.rest()
	if u := h.login("bob").ok("NOOP"); len(u) > 0 {
		t.Errorf("bob hears %q", u)
	}
}

func TestACompressedBombIsOneTooLongLine(t *testing.T) {
	h := newHost(t)
	c := h.squeezed("ann")
	go func() { // a gigabyte of one line, a megabyte on the wire
		line := strings.Repeat("x", 1<<20)
		for range 1 << 10 {
			if _, err := io.WriteString(c.w, line); err != nil {
				return
			}
		}
	}()
	if got := c.rest(); !strings.Contains(got, "* BYE") {
		t.Errorf("got %q", got)
	}
}
