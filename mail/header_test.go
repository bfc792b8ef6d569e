package mail

import (
	"reflect"
	"strings"
	"testing"
)

// takeApart is the fields of a header block, one after the other, and what is left behind the empty line.
func takeApart(block string) (all []Field, rest string) {
	for block != "" {
		var line string
		if line, block = cutLine(block); line == "\n" || line == "\r\n" {
			break
		}
		if name, value, ok := splitField(line); ok {
			all = append(all, Field{name, unfold(value)})
		}
	}
	return all, block
}

func TestAHeaderIsTakenApartUpToItsEmptyLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want []Field
		rest string
	}{
		{"", nil, ""},
		{"\r\nbody", nil, "body"},
		{"A: b\r\nC: d", []Field{{"A", "b"}, {"C", "d"}}, ""},
		{" x\r\nA: b\r\n\r\nbody", []Field{{"A", "b"}}, "body"},
		{"Subject: =?utf-8?q?=C3=A9?=\r\n one\r\nTO : a@x\r\nbad line\r\nto: b@x\n\tc@x\nX-Empty:\r\n\r\nbody\r\n\r\n",
			[]Field{{"Subject", "=?utf-8?q?=C3=A9?= one"}, {"TO", "a@x"}, {"to", "b@x\tc@x"}, {"X-Empty", ""}}, "body\r\n\r\n"},
	} {
		if got, rest := takeApart(c.in); !reflect.DeepEqual(got, c.want) || rest != c.rest {
			t.Errorf("%q: %q, then %q", c.in, got, rest)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("A: b\r\n c\r\n\r\nbody"))
	f.Add([]byte("From x\nA:\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, _ := takeApart(string(raw))
		for _, f := range all {
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
