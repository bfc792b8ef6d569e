package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// writes counts how often it was written to.
type writes struct {
	bytes.Buffer
	n int
}

func (w *writes) Write(p []byte) (int, error) { w.n++; return w.Buffer.Write(p) }

func TestABurstIsFewWrites(t *testing.T) {
	var w writes
	e := NewEncoder(&w)
	for i := range 20_000 {
		e.Raw("* ").Num(uint32(i)).Raw(" FETCH (FLAGS ").Flags([]string{`\Seen`}).Raw(")").CRLF()
	}
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if most := w.Len()/gather + 2; w.n > most {
		t.Errorf("%d octets in %d writes", w.Len(), w.n)
	}
	if e.buf != nil {
		t.Error("it keeps its buffer")
	}
}

func TestStringsAreQuotedOrLiterals(t *testing.T) {
	for in, want := range map[string]string{
		`a "b" \c`:                 `"a \"b\" \\c"`,
		"two\r\nlines":             "{10}\r\ntwo\r\nlines",
		"é":                        "{2}\r\né",
		"":                         `""`,
		strings.Repeat("x", 2_000): "{2000}\r\n" + strings.Repeat("x", 2_000),
	} {
		if got := string(AppendString(nil, in, false)); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
	if got := string(AppendString(nil, "é", true)); got != `"é"` {
		t.Errorf("for who takes UTF-8: %q", got)
	}
	if got := string(AppendString(nil, "\xff", true)); got != "{1}\r\n\xff" {
		t.Errorf("what is not UTF-8: %q", got)
	}
}

func TestALiteralThatEndsEarlyBreaksTheConnection(t *testing.T) {
	var w writes
	e := NewEncoder(&w)
	if err := e.Literal(10, strings.NewReader("four")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	e.Raw("a OK done\r\n")
	e.Flush()
	if strings.Contains(w.String(), "OK") {
		t.Errorf("a client reads %q", w.String())
	}
}

func TestALongLiteralPassesThroughOneBuffer(t *testing.T) {
	var w writes
	e := NewEncoder(&w)
	body := strings.Repeat("0123456789", 1_000_000)
	if err := e.Literal8(int64(len(body)), strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	e.Flush()
	if got := w.String(); got != "~{10000000}\r\n"+body {
		t.Errorf("%d octets came", len(got))
	}
}
