package mail

import (
	"bufio"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestAHeaderIsReadUpToItsEmptyLine(t *testing.T) {
	t.Parallel()
	br := bufio.NewReaderSize(strings.NewReader("Subject: =?utf-8?q?=C3=A9?=\r\n one\r\nTO : a@x\r\nbad line\r\nto: b@x\n\tc@x\nX-Empty:\r\n\r\nbody\r\n\r\n"), 16)
	h, err := ReadHeader(br, 1000)
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{{"Subject", "=?utf-8?q?=C3=A9?= one"}, {"TO", "a@x"}, {"to", "b@x\tc@x"}, {"X-Empty", ""}}
	if !reflect.DeepEqual(h.Fields, want) {
		t.Errorf("%q, want %q", h.Fields, want)
	}
	if h.Get("subject") != "é one" || h.Get("X-None") != "" || !reflect.DeepEqual(h.Raw("To"), []string{"a@x", "b@x\tc@x"}) {
		t.Errorf("Get %q, Raw %q", h.Get("subject"), h.Raw("To"))
	}
	if !h.Has("x-empty") || h.Has("x-none") {
		t.Error("Has")
	}
	if rest, _ := io.ReadAll(br); string(rest) != "body\r\n\r\n" {
		t.Errorf("what follows is %q", rest)
	}
}

func TestTheEndsOfHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in, rest string
		max, fields    int
		kind           Kind
	}{
		{"nothing", "", "", 100, 0, 0},
		{"no header", "\r\nbody", "body", 100, 0, 0},
		{"no body", "A: b\r\nC: d", "", 100, 2, 0},
		{"exactly as long as allowed", "A: b\r\n\r\nbody", "body", 6, 1, 0},
		{"too long", "A: b\r\nC: d\r\n\r\nbody", "body", 6, 1, BadContent},
		{"a line too long", "A: " + strings.Repeat("x", 100_000) + "\r\nC: d\r\n\r\nbody", "body", 50, 1, BadContent},
		{"a line that is only a continuation", " x\r\nA: b\r\n\r\nbody", "body", 100, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			br := bufio.NewReaderSize(strings.NewReader(c.in), 16)
			h, err := ReadHeader(br, c.max)
			if (err == nil) != (c.kind == 0) || err != nil && !Is(err, c.kind) {
				t.Fatalf("error %v", err)
			}
			rest, _ := io.ReadAll(br)
			if string(rest) != c.rest || len(h.Fields) != c.fields {
				t.Errorf("fields %q, then %q", h.Fields, rest)
			}
		})
	}
	if _, err := ReadHeader(bufio.NewReader(iotest.ErrReader(io.ErrUnexpectedEOF)), 100); err != io.ErrUnexpectedEOF {
		t.Errorf("an error of the reader became %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("A: b\r\n c\r\n\r\nbody"))
	f.Add([]byte("From x\nA:\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		br := bufio.NewReaderSize(strings.NewReader(string(raw)), 16)
		h, err := ReadHeader(br, 500)
		if err != nil && !Is(err, BadContent) {
			t.Fatal(err)
		}
		for _, f := range h.Fields {
			if strings.ContainsAny(f.Value, "\n") || f.Name == "" || strings.ContainsAny(f.Name, " \t\r\n:") {
				t.Fatalf("%q", f)
			}
		}
		var a, b Part
		fs := pick(string(raw), true)
		fs.part(&a, "text/plain")
		fs.part(&b, "text/plain")
		fs.summary(&Summary{})
		if a.Type == "" || strings.Count(a.Type, "/") != 1 || !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v", a)
		}
	})
}
