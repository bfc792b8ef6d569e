package imap

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestDialogues plays the files of testdata against a fresh server each.
//
//	C: text   the client sends this line; several in a row go out in one write
//	S: text   the server answers exactly this; <> stands for any text
//	S* text   lines in any order, up to the next line of another kind
//	CLOSED    the server closes the connection
//	# text    for the reader
func TestDialogues(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			play(t, newHost(t), name)
		})
	}
}

func play(t *testing.T, h *host, name string) {
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	br := bufio.NewReader(c)
	var said strings.Builder
	fail := func(no int, format string, args ...any) {
		t.Helper()
		t.Fatalf("%s:%d: "+format+"\n%s", append(append([]any{name, no + 1}, args...), said.String())...)
	}
	hear := func(no int) string {
		t.Helper()
		l, err := br.ReadString('\n')
		said.WriteString("S: " + l)
		if err != nil {
			fail(no, "%v", err)
		}
		return strings.TrimRight(l, "\r\n")
	}
	lines := strings.Split(strings.TrimRight(string(file), "\n"), "\n")
	var out strings.Builder
	for no := 0; no < len(lines); no++ {
		kind, text := lines[no], ""
		if len(kind) >= 2 && kind[0] != '#' {
			kind, text = lines[no][:2], strings.TrimPrefix(lines[no][2:], " ")
		}
		if kind != "C:" && out.Len() > 0 {
			said.WriteString("C: " + strings.ReplaceAll(strings.TrimSuffix(out.String(), "\r\n"), "\r\n", "\r\nC: ") + "\r\n")
			if _, err := c.Write([]byte(out.String())); err != nil {
				fail(no, "%v", err)
			}
			out.Reset()
		}
		switch {
		case kind == "" || kind[0] == '#':
		case kind == "C:":
			out.WriteString(text + "\r\n")
		case kind == "S:":
			if got := hear(no); !like(text, got) {
				fail(no, "got %q, want %q", got, text)
			}
		case kind == "S*":
			var want []string
			for ; no < len(lines) && strings.HasPrefix(lines[no], "S*"); no++ {
				want = append(want, strings.TrimPrefix(lines[no][2:], " "))
			}
			no--
		next:
			for range len(want) {
				got := hear(no)
				for i, w := range want {
					if like(w, got) {
						want = append(want[:i:i], want[i+1:]...)
						continue next
					}
				}
				fail(no, "got %q, want one of %q", got, want)
			}
		case lines[no] == "CLOSED":
			if l, err := br.ReadString('\n'); err == nil || l != "" {
				fail(no, "still open, says %q", l)
			} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
				fail(no, "still open")
			}
		default:
			fail(no, "no such kind of line: %q", lines[no])
		}
	}
}

func like(want, got string) bool {
	parts := strings.Split(want, "<>")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`^(?s)` + strings.Join(parts, ".*") + `$`).MatchString(got)
}
