package imap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
)

// FuzzSession sends a stranger's or a member's octets to a whole session. Nothing
// panics, every answer is one, and the session ends when its client has gone.
func FuzzSession(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var said strings.Builder
		for l := range strings.SplitSeq(string(text), "\n") {
			if m := speech.FindStringSubmatch(l); m != nil && m[2] == "C:" {
				said.WriteString(m[3] + "\r\n")
			}
		}
		f.Add(false, said.String())
		f.Add(true, said.String())
	}
	var panics strings.Builder
	h := newHost(f, func(s *Server) {
		s.InsecureAuthFrom = func(netip.Addr) bool { return true }
		s.MaxAppend = 10_000
		s.LoginTime, s.IdleTime = 5*time.Second, 5*time.Second
		s.Log = slog.New(slog.NewTextHandler(&panics, nil))
	})
	ann := h.Accounts.(people)["ann@home.test"]
	for n := range 5 {
		h.file(ann, h.inbox(), n)
	}
	f.Fuzz(func(t *testing.T, member bool, in string) {
		if len(in) > 1<<16 {
			return
		}
		panics.Reset()
		c, err := net.Dial("tcp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if member {
			in = "login LOGIN ann@home.test secret\r\nselect SELECT INBOX\r\n" + in
		}
		go func() {
			io.WriteString(c, in+"\r\nDONE\r\nlogout LOGOUT\r\n")
			c.(*net.TCPConn).CloseWrite()
		}()
		if err := listen(c); err != nil {
			t.Error(err)
		}
		if strings.Contains(panics.String(), "panic") {
			t.Error(panics.String())
		}
		// What was made is taken away again, so that one input is like another.
		boxes, err := h.Mailboxes.List(t.Context(), ann.Account)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range boxes {
			if b.Role == "" {
				if err := h.Mailboxes.Remove(t.Context(), ann.Account, b.Name); err != nil && !mail.Is(err, mail.Policy) {
					t.Fatal(err)
				}
			}
		}
	})
}

var answerLine = regexp.MustCompile(`^(\* .+|\+ .*|\+|[^ (){%*"\\\x00-\x1f\x7f-\xff+]+ (OK|NO|BAD) .+)$`)
var literalEnd = regexp.MustCompile(`\{([0-9]+)\}$`)

// listen reads a server's answers to the end of the connection, and says what
// is none.
func listen(r io.Reader) error {
	br := bufio.NewReader(r)
	for {
		begin := true
		for {
			l, err := br.ReadString('\n')
			if err != nil {
				if ne, ok := err.(net.Error); ok && ne.Timeout() {
					return errors.New("the session does not end")
				}
				if l == "" || err != io.EOF { // it was reset, most likely: what we sent was not read
					return nil
				}
				return fmt.Errorf("an answer without end: %q", l)
			}
			text, whole := strings.CutSuffix(l, "\r\n")
			if !whole || begin && !answerLine.MatchString(text) || strings.ContainsAny(text, "\r\x00") {
				return fmt.Errorf("no answer: %q", l)
			}
			m := literalEnd.FindStringSubmatch(text)
			if m == nil || strings.HasPrefix(text, "+") || regexp.MustCompile(`^\S+ (OK|NO|BAD) `).MatchString(text) {
				break
			}
			n, err := strconv.ParseInt(m[1], 10, 64)
			if err == nil {
				_, err = io.CopyN(io.Discard, br, n)
			}
			if err != nil {
				return nil
			}
			begin = false
		}
	}
}
