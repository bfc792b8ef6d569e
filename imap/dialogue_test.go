package imap

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

// TestDialogues plays the files of testdata against a fresh server each.
//
//	C: text      the client sends this line; several in a row go out in one write
//	C" text      a quoted Go string is sent as it is, and nothing behind it
//	S: text      the server answers exactly this
//	S* text      such lines in any order, up to the next line of another kind
//	CLOSED       the server closes the connection
//	LOGIN ann    another connection, signed in
//	FILL box n   n small mails are put into a mailbox of ann's, by nobody's session
//	# text       for the reader
//
// In what the server answers, <> stands for any text, and <name> for text
// without spaces that is the same wherever the file says <name> again, also in
// what the client sends. A number before C, S, CLOSED or LOGIN is a connection
// other than 1; connection 1 begins in clear, before LOGIN.
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			d := &dialogue{T: t, host: newHost(t), name: name, conns: map[string]*raw{}, bound: map[string]string{}}
			d.play(strings.Split(strings.TrimRight(string(text), "\n"), "\n"))
		})
	}
}

type dialogue struct {
	*testing.T
	host  *host
	name  string
	no    int // of the line, from 1 on
	conns map[string]*raw
	bound map[string]string
	said  strings.Builder
	mails int
}

var speech = regexp.MustCompile(`^([0-9]?)(C:|C"|S:|S\*|CLOSED|LOGIN|FILL)(?: (.*))?$`)

func (d *dialogue) fail(format string, args ...any) {
	d.Helper()
	d.Fatalf("%s:%d: %s\n%s", d.name, d.no, fmt.Sprintf(format, args...), d.said.String())
}

// conn is a connection by its number.
func (d *dialogue) conn(id string) *raw {
	d.Helper()
	if d.conns[id] == nil {
		c, err := net.Dial("tcp", d.host.addr)
		if err != nil {
			d.fail("%v", err)
		}
		d.Cleanup(func() { c.Close() })
		d.conns[id] = talk(d, c)
	}
	return d.conns[id]
}

func (d *dialogue) play(lines []string) {
	d.Helper()
	var out strings.Builder
	for i := 0; i < len(lines); i++ {
		d.no = i + 1
		if lines[i] == "" || lines[i][0] == '#' {
			continue
		}
		m := speech.FindStringSubmatch(lines[i])
		if m == nil {
			d.fail("no such kind of line: %q", lines[i])
		}
		id, kind, text := m[1], m[2], m[3]
		switch kind {
		case "C:":
			out.WriteString(d.fillIn(text) + "\r\n")
		case `C"`:
			s, err := strconv.Unquote(d.fillIn(text))
			if err != nil {
				d.fail("not a quoted string: %s", text)
			}
			out.WriteString(s)
		case "S:":
			if got := d.hear(id); !d.like(text, got) {
				d.fail("got %q, want %q", got, text)
			}
		case "S*":
			var want []string
			for ; i < len(lines) && strings.HasPrefix(lines[i], id+"S*"); i++ {
				want = append(want, strings.TrimPrefix(lines[i], id+"S* "))
			}
			i--
			d.hearAll(id, want)
		case "CLOSED":
			if rest := d.conn(id).rest(); rest != "" {
				d.fail("still says %q", rest)
			}
		case "LOGIN":
			if got := d.hear(id); !strings.HasPrefix(got, "* OK ") {
				d.fail("greeted with %q", got)
			}
			d.send(id, "login LOGIN "+text+"@home.test secret\r\n")
			if got := d.hear(id); !strings.HasPrefix(got, "login OK ") {
				d.fail("not signed in: %q", got)
			}
		case "FILL":
			d.fill(text)
		}
		if out.Len() > 0 && (i+1 == len(lines) || !strings.HasPrefix(lines[i+1], id+"C")) {
			d.send(id, out.String())
			out.Reset()
		}
	}
}

func (d *dialogue) send(id, text string) {
	d.Helper()
	d.said.WriteString(id + "C: " + strings.ReplaceAll(strings.TrimSuffix(text, "\r\n"), "\r\n", "\n"+id+"C: ") + "\n")
	d.conn(id).send(text)
}

func (d *dialogue) hear(id string) string {
	d.Helper()
	c := d.conn(id)
	got, err := c.br.ReadString('\n')
	got = strings.TrimSuffix(strings.TrimSuffix(got, "\n"), "\r")
	d.said.WriteString(id + "S: " + got + "\n")
	if err != nil {
		d.fail("%v", err)
	}
	return got
}

func (d *dialogue) hearAll(id string, want []string) {
	d.Helper()
	for len(want) > 0 {
		got := d.hear(id)
		i := slices.IndexFunc(want, func(w string) bool { return d.like(w, got) })
		if i < 0 {
			d.fail("got %q, want one of %q", got, want)
		}
		want = slices.Delete(want, i, i+1)
	}
}

func (d *dialogue) fill(text string) {
	d.Helper()
	var box string
	var n int
	if _, err := fmt.Sscanf(text, "%s %d", &box, &n); err != nil {
		d.fail("FILL %s: %v", text, err)
	}
	ann := d.host.Accounts.(people)["ann@home.test"]
	m, err := d.host.Mailboxes.Get(d.Context(), ann.Account, box)
	if err != nil {
		d.fail("%s: %v", box, err)
	}
	for range n {
		d.mails++
		d.host.file(ann, m.ID, d.mails)
	}
}

// file puts a small mail into a mailbox; n makes it another one than others.
func (h *host) file(u mail.User, box mailbox.ID, n int) mailbox.Placed {
	h.t.Helper()
	text := fmt.Sprintf("From: <zoe%d@far.test>\r\nSubject: mail %d\r\nMessage-ID: <%d@far.test>\r\n\r\nBonjour.\r\n", n%7, n, n)
	at, err := h.files.Append(h.t.Context(), u, box, nil, time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n)*time.Minute), strings.NewReader(text), int64(len(text)))
	if err != nil {
		h.t.Fatal(err)
	}
	return at
}

var hole = regexp.MustCompile(`<([a-z]+[0-9]*)?>`)

// fillIn replaces what was bound before.
func (d *dialogue) fillIn(text string) string {
	return hole.ReplaceAllStringFunc(text, func(h string) string {
		if v, ok := d.bound[h]; ok {
			return v
		}
		return h
	})
}

// like compares, and binds names that come for the first time.
func (d *dialogue) like(want, got string) bool {
	var re strings.Builder
	var names []string
	re.WriteString(`^(?s)`)
	at := 0
	for _, m := range hole.FindAllStringIndex(want, -1) {
		re.WriteString(regexp.QuoteMeta(want[at:m[0]]))
		at = m[1]
		switch h := want[m[0]:m[1]]; {
		case h == "<>":
			re.WriteString(`.*`)
		case d.bound[h] != "":
			re.WriteString(regexp.QuoteMeta(d.bound[h]))
		default:
			re.WriteString(`([^ ]+?)`)
			names = append(names, h)
		}
	}
	re.WriteString(regexp.QuoteMeta(want[at:]) + `$`)
	m := regexp.MustCompile(re.String()).FindStringSubmatch(got)
	if m == nil {
		return false
	}
	for i, n := range names {
		d.bound[n] = m[i+1]
	}
	return true
}
