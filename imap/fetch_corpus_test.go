package imap

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every mail of the corpus is fetched by the structure that the server says it
// has, the way a mail program does, and put together again: the header, then
// each leaf where the structure has it, with what stands between them, is the
// message, octet by octet.
func TestTheLeavesOfEveryMailAreItsBody(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "shared", "corpora", "mime")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the corpora are not beside this checkout")
	}
	h := newHost(t)
	h.files.prefix = "Return-Path: <a@far.test>\r\n"
	var names []string
	var raws []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 || len(b) > 300_000 {
			return err
		}
		h.putOctets("INBOX", b)
		names, raws = append(names, path), append(raws, h.files.prefix+string(b))
		return nil
	})
	if err != nil || len(raws) == 0 {
		t.Fatalf("%d files, %v", len(raws), err)
	}
	c := h.login("ann")
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	c.ok("EXAMINE INBOX")
	all, _ := c.asked("FETCH 1:* (ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT])")
	if len(all) != len(raws) {
		t.Fatalf("%d answers for %d mails", len(all), len(raws))
	}
	for i, a := range all {
		m := pairs(a[3])
		raw := strings.ReplaceAll(raws[i], "\x00", "\x80") // see TestNoLiteralHoldsNUL
		if got := m["BODY[]"]; got != text(raw) {
			t.Fatalf("%s: BODY[] is not what was sent", names[i])
		}
		if got := m["BODY[HEADER]"].(text) + m["BODY[TEXT]"].(text); got != text(raw) {
			t.Errorf("%s: header and text are not the message", names[i])
		}
		if got := m["RFC822.SIZE"]; got != fmt.Sprint(len(raw)) {
			t.Errorf("%s: size %v, want %d", names[i], got, len(raw))
		}
		if e, ok := m["ENVELOPE"].([]any); !ok || len(e) != 10 {
			t.Errorf("%s: envelope %v", names[i], m["ENVELOPE"])
		}
		// Which parts there are is the same for BODY and BODYSTRUCTURE.
		parts := leaves(m["BODYSTRUCTURE"].([]any), "", false)
		if got := leaves(m["BODY"].([]any), "", false); fmt.Sprint(got) != fmt.Sprint(parts) {
			t.Errorf("%s: BODY has %v, BODYSTRUCTURE %v", names[i], got, parts)
		}
		items := make([]string, 0, 2*len(parts))
		for _, p := range parts {
			items = append(items, "BODY.PEEK["+p.path+"]", "BODY.PEEK["+p.path+".MIME]")
		}
		got := map[string]any{}
		for from := 0; from < len(items); from += 100 {
			one, tagged := c.asked(fmt.Sprintf("FETCH %d (%s)", i+1, strings.Join(items[from:min(len(items), from+100)], " ")))
			if len(one) != 1 || !strings.HasPrefix(tagged, "OK") {
				t.Fatalf("%s: %s", names[i], tagged)
			}
			for k, v := range pairs(one[0][3]) {
				got[k] = v
			}
		}
		at := len(m["BODY[HEADER]"].(text))
		single := len(parts) == 1 && parts[0].path == "1"
		for _, p := range parts {
			body, ok := got["BODY["+p.path+"]"].(text)
			if !ok || fmt.Sprint(len(body)) != p.size {
				t.Errorf("%s: BODY[%s] has %d octets, the structure says %s", names[i], p.path, len(body), p.size)
				continue
			}
			head := ""
			if mime, ok := got["BODY["+p.path+".MIME]"].(text); ok && !single {
				head = string(mime)
			}
			if p.message { // its parts come next, and are looked for in it
				continue
			}
			// What lies between are boundaries and line ends, preambles, the headers of
			// multiparts and of attached messages.
			k := strings.Index(raw[at:], head+string(body))
			if k < 0 {
				t.Errorf("%s: BODY[%s] does not follow what is before it", names[i], p.path)
				continue
			}
			at += k + len(head) + len(body)
		}
	}
}

type leaf struct {
	path, size string
	message    bool
}

// leaves are the parts of a structure that are no multiparts, by their numbers.
// inMessage: the structure is an attached message's body, numbered below it.
func leaves(s []any, path string, inMessage bool) (all []leaf) {
	below := func(n int) string {
		if path == "" {
			return fmt.Sprint(n)
		}
		return fmt.Sprintf("%s.%d", path, n)
	}
	if _, many := s[0].([]any); many {
		for i, c := range s {
			child, ok := c.([]any)
			if !ok {
				break
			}
			all = append(all, leaves(child, below(i+1), false)...)
		}
		return all
	}
	if path == "" || inMessage {
		path = below(1)
	}
	l := leaf{path: path, size: fmt.Sprint(s[6])}
	if strings.EqualFold(fmt.Sprint(s[0]), "message") && len(s) > 8 {
		envelope, _ := s[7].([]any)
		if body, ok := s[8].([]any); ok && len(envelope) == 10 {
			l.message = true
			if fmt.Sprint(body[0]) == "text" && fmt.Sprint(body[6]) == "0" && len(body) >= 8 {
				return []leaf{l} // nothing, or nothing that was looked into
			}
			return append([]leaf{l}, leaves(body, path, true)...)
		}
	}
	return []leaf{l}
}
