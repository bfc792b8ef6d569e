package imap

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a wire and the client's end of it.
func pipe(t *testing.T) (*wire, net.Conn) {
	t.Helper()
	server, client := net.Pipe()
	t.Cleanup(func() { server.Close(); client.Close() })
	w := &wire{Conn: server, br: bufio.NewReader(server), srv: &Server{}, conn: &conn{Conn: server}, ended: make(chan struct{})}
	return w, client
}

// nextCommand is what the library does between two commands.
func nextCommand(w *wire) { w.SetReadDeadline(time.Now().Add(35 * time.Minute)) }

func TestSilentSessionEndsAfterHalfAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, client := pipe(t)
		start := time.Now()
		go func() {
			nextCommand(w)
			if _, err := w.Read(make([]byte, 10)); err == nil {
				t.Error("read something")
			}
			w.Close()
		}()
		got, _ := io.ReadAll(client)
		if string(got) != "* BYE imap-idle\r\n" || time.Since(start) != 30*time.Minute {
			t.Errorf("after %v: %q", time.Since(start), got)
		}
	})
}

func TestSlowUploadIsNotCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, client := pipe(t)
		go func() {
			io.WriteString(client, "a APPEND INBOX {300+}\r\n")
			for range 300 {
				time.Sleep(time.Minute)
				io.WriteString(client, "x")
			}
			io.WriteString(client, "\r\n")
		}()
		nextCommand(w)
		p := make([]byte, 4096)
		n, err := w.Read(p)
		if err != nil || string(p[:n]) != "a APPEND INBOX {300+}\r\n" {
			t.Fatalf("%q %v", p[:n], err)
		}
		w.SetReadDeadline(time.Now().Add(5 * time.Minute)) // the library's, for all of it
		if n, err := io.ReadFull(w, p[:302]); err != nil {
			t.Fatalf("after %d octets: %v", n, err)
		}
		if string(p[:302]) != strings.Repeat("x", 300)+"\r\n" {
			t.Errorf("%q", p[:302])
		}
	})
}

func TestClientThatReadsNothingIsLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, client := pipe(t)
		var err error
		for n := 0; err == nil; n += 1000 {
			if n > 2*gather {
				t.Fatal("all of it is kept")
			}
			_, err = w.Write(make([]byte, 1000))
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("still open: %v", err)
		}
	})
}

func TestResponsesTravelTogether(t *testing.T) {
	t.Parallel()
	w, client := pipe(t)
	for range 100 {
		io.WriteString(w, "* 1 FETCH (FLAGS ())\r\n")
	}
	if len(w.out) != 2200 {
		t.Fatalf("%d octets are kept back", len(w.out))
	}
	go func() {
		nextCommand(w)
		w.Read(make([]byte, 10)) // the library waits for the client: now they go
	}()
	p := make([]byte, 4096)
	n, err := client.Read(p)
	if err != nil || n != 2200 {
		t.Errorf("one write has %d octets: %v", n, err)
	}
}

func TestWhatTheLibraryLeavesIsNoCommand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send string
		read []string // by the library before it gives up on the command
		then string   // what it must read next
	}{
		"literal not read":           {"a X {5+}\r\nhello rest\r\nb NOOP\r\n", []string{"a X {5+}\r\n"}, "b NOOP\r\n"},
		"literal half read":          {"a APPEND {5+}\r\nhello rest\r\nb NOOP\r\n", []string{"a APPEND {5+}\r\n", "hel"}, "b NOOP\r\n"},
		"rest of line not read":      {"a APPEND {5+}\r\nhello rest\r\nb NOOP\r\n", []string{"a APPEND {5+}\r\n", "hello"}, "b NOOP\r\n"},
		"literal after literal":      {"a X {5+}\r\nhello {3+}\r\nyou\r\nb NOOP\r\n", []string{"a X {5+}\r\n"}, "b NOOP\r\n"},
		"client waits in vain":       {"a X {5}\r\nb NOOP\r\n", []string{"a X {5}\r\n"}, "b NOOP\r\n"},
		"client waits further on":    {"a X {5+}\r\nhello {3}\r\nb NOOP\r\n", []string{"a X {5+}\r\n"}, "b NOOP\r\n"},
		"literal of nothing":         {"a X {0+}\r\n\r\nb NOOP\r\n", []string{"a X {0+}\r\n"}, "b NOOP\r\n"},
		"literal of nothing, read":   {"a X {0+}\r\n y\r\nb NOOP\r\n", []string{"a X {0+}\r\n", " y\r\n"}, "b NOOP\r\n"},
		"two commands in one packet": {"a NOOP\r\nb NOOP\r\n", []string{"a NOOP\r\n"}, "b NOOP\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, client := pipe(t)
			go io.WriteString(client, c.send)
			nextCommand(w)
			for _, want := range c.read {
				p := make([]byte, len(want))
				if n, err := io.ReadFull(w, p); err != nil || string(p) != want {
					t.Fatalf("read %q %v, want %q", p[:n], err, want)
				}
			}
			nextCommand(w)
			p := make([]byte, 100)
			n, err := w.Read(p)
			if err != nil || string(p[:n]) != c.then {
				t.Errorf("then %q %v, want %q", p[:n], err, c.then)
			}
		})
	}
}

func TestOverlongLineIsAnsweredAndForgotten(t *testing.T) {
	t.Parallel()
	w, client := pipe(t)
	heard := make(chan string)
	go func() {
		io.WriteString(client, "a SEARCH "+strings.Repeat("b NOOP ", 20000)+"{6+}\r\n")
		l, _ := bufio.NewReader(client).ReadString('\n')
		io.WriteString(client, "x NOOP\r\nc NOOP\r\n")
		heard <- l
	}()
	nextCommand(w)
	p := make([]byte, 100)
	n, err := w.Read(p)
	if err != nil || string(p[:n]) != "c NOOP\r\n" {
		t.Errorf("then %q %v", p[:n], err)
	}
	if l := <-heard; l != "a BAD [CLIENTBUG] Command line too long\r\n" {
		t.Errorf("answered %q", l)
	}
}
