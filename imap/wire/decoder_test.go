package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// decoder reads in; said is what the client was told to go on with.
func decoder(in string) (d *Decoder, said *strings.Builder) {
	said = &strings.Builder{}
	d = NewDecoder(strings.NewReader(in), After)
	d.Continue = func(text string) error {
		said.WriteString("+" + text)
		return nil
	}
	return d, said
}

func TestACommandIsReadArgumentByArgument(t *testing.T) {
	d, said := decoder("a1 uid Store 1,2,3,7:*,$x (UNCHANGEDSINCE 12) +FLAGS (\\Seen $Work)\r\n" +
		"a2 LOGIN {3}\r\nann \"se\\\"cr\\\\et\"\r\n")
	tag, name, err := d.Begin()
	if tag != "a1" || name != "UID STORE" || err != nil {
		t.Fatalf("got %q %q %v", tag, name, err)
	}
	if err := d.SP(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.NumSet(); err == nil {
		t.Error("a set with $ in its middle was read")
	}
	if err := d.Discard(); err != nil {
		t.Fatal(err)
	}
	if tag, name, err = d.Begin(); tag != "a2" || name != "LOGIN" || err != nil {
		t.Fatalf("got %q %q %v", tag, name, err)
	}
	d.SP()
	user, err := d.AString()
	if user != "ann" || err != nil {
		t.Fatalf("got %q %v", user, err)
	}
	d.SP()
	pass, err := d.AString()
	if pass != `se"cr\et` || err != nil {
		t.Fatalf("got %q %v", pass, err)
	}
	if err := d.End(); err != nil {
		t.Error(err)
	}
	if said.String() != "+Ready" {
		t.Errorf("the client was told %q", said)
	}
}

func TestOctetsOfARefusedLiteralAreNoCommand(t *testing.T) {
	for name, in := range map[string]string{
		"non-synchronising":   "a1 NOPE {17+}\r\nx LOGOUT\r\nx END\r\n\r\nb1 NOOP\r\n",
		"two of them":         "a1 NOPE {10+}\r\nx LOGOUT\r\n {3+}\r\nabc)\r\nb1 NOOP\r\n",
		"a synchronising one": "a1 NOPE {17}\r\nb1 NOOP\r\n",
		"in a quoted string":  "a1 NOPE \"{10+}\r\nx LOGOUT\r\n\r\nb1 NOOP\r\n",
		"after a long line":   "a1 NOPE " + strings.Repeat("x", 100_000) + " {10+}\r\nx LOGOUT\r\n\r\nb1 NOOP\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			d, said := decoder(in)
			if tag, _, _ := d.Begin(); tag != "a1" {
				t.Fatalf("tag %q", tag)
			}
			if err := d.Discard(); err != nil {
				t.Fatal(err)
			}
			if tag, name, err := d.Begin(); tag != "b1" || name != "NOOP" || err != nil {
				t.Errorf("then came %q %q %v", tag, name, err)
			}
			if said.String() != "" {
				t.Errorf("the client was told %q", said)
			}
		})
	}
}

func TestWhatCannotBeACommandEndsTheConnection(t *testing.T) {
	for name, in := range map[string]string{
		"LF alone":           "a1 NOOP\nb1 NOOP\r\n",
		"CR in the line":     "a1 NO\rOP\r\n",
		"NUL":                "a1 NO\x00OP\r\n",
		"a literal of 2^64":  "a1 NOPE {18446744073709551616+}\r\n",
		"a literal of 1 GB":  "a1 NOPE {1000000000+}\r\n",
		"a line without end": strings.Repeat("x", 65<<20),
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := decoder(in)
			_, _, err := d.Begin()
			if d.Broken() == nil {
				err = d.Discard()
			}
			if !errors.Is(err, ErrHopeless) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestALiteralIsStreamedWhateverItsSize(t *testing.T) {
	body := strings.Repeat("0123456789", 100_000)
	d, _ := decoder("a1 APPEND INBOX ~{1000000+}\r\n" + body + " x\r\nb1 NOOP\r\n")
	d.Begin()
	d.SP()
	d.Mailbox()
	d.SP()
	if _, err := d.Literal(999_999); !errors.Is(err, ErrTooBig) {
		t.Fatalf("over the limit: %v", err)
	}
	l, err := d.Literal(1_000_000)
	if err != nil || !l.Binary || l.Size != 1_000_000 {
		t.Fatalf("got %+v %v", l, err)
	}
	if err := d.EndLiteral(); err == nil {
		t.Error("it ended before it was read")
	}
	var got bytes.Buffer
	if _, err := io.Copy(&got, iotest.OneByteReader(l)); err != nil || got.String() != body {
		t.Errorf("%d octets came, %v", got.Len(), err)
	}
	if err := d.EndLiteral(); err != nil {
		t.Fatal(err)
	}
	if d.SP() != nil || d.Peek() != 'x' {
		t.Error("the line does not go on")
	}
	d.Discard()
	if tag, _, _ := d.Begin(); tag != "b1" {
		t.Errorf("then came %q", tag)
	}
}

func TestParenthesesAreBounded(t *testing.T) {
	d, _ := decoder("a1 X " + strings.Repeat("(", 60_000) + "\r\n")
	d.Begin()
	d.SP()
	var deep func() error
	n := 0
	deep = func() error { n++; return d.List(deep) }
	err := d.List(deep)
	var bad *SyntaxError
	if !errors.As(err, &bad) || n > maxDepth {
		t.Errorf("%d levels, %v", n, err)
	}
}

func TestManyLiteralsInOneCommandAreBounded(t *testing.T) {
	d, _ := decoder("a1 SEARCH" + strings.Repeat(" {60000+}\r\n"+strings.Repeat("x", 60_000), 100) + "\r\nb1 NOOP\r\n")
	d.Begin()
	var err error
	n := 0
	for ; err == nil; n++ {
		d.SP()
		_, err = d.AString()
	}
	if n > 6 || !errors.Is(err, ErrTooBig) {
		t.Errorf("%d literals, %v", n, err)
	}
	if err := d.Discard(); err != nil {
		t.Fatal(err)
	}
	if tag, _, _ := d.Begin(); tag != "b1" {
		t.Errorf("then came %q", tag)
	}
}

func TestNumberSetsAreJoinedWhileTheyAreRead(t *testing.T) {
	for in, want := range map[string][]NumRange{
		"1,2,3:9":        {{1, 9}},
		"5":              {{5, 5}},
		"*":              {{Star, Star}},
		"9:*,1":          {{9, Star}, {1, 1}},
		"4294967295,1":   {{4294967295, 4294967295}, {1, 1}},
		"4294967295:1,2": {{4294967295, 1}, {2, 2}},
	} {
		d, _ := decoder("a X " + in + "\r\n")
		d.Begin()
		d.SP()
		set, err := d.NumSet()
		if err != nil || len(set.Ranges) != len(want) {
			t.Fatalf("%s: %v %v", in, set, err)
		}
		for i := range want {
			if set.Ranges[i] != want[i] {
				t.Errorf("%s: %v", in, set)
			}
		}
	}
	for _, in := range []string{"0", "1:", ":", ",", "1,", "4294967296", "-1", "1:0", "99999999999999999999"} {
		d, _ := decoder("a X " + in + "\r\n")
		d.Begin()
		d.SP()
		_, err := d.NumSet()
		if err == nil {
			err = d.End()
		}
		if err == nil {
			t.Errorf("%q is a set", in)
		}
	}
}

func TestAMailboxNameHasOneSpelling(t *testing.T) {
	for in, want := range map[string]string{
		"INBOX": "INBOX", "Entw&APw-rfe": "Entwürfe", "a&-b": "a&b", "&2D3cqQ-": "\U0001F4A9", "~peter/mail/&U,BTFw-/&ZeVnLIqe-": "~peter/mail/台北/日本語",
	} {
		got, ok := DecodeUTF7(in)
		if !ok || got != want || EncodeUTF7(want) != in {
			t.Errorf("%s: %q %v, and back %q", in, got, ok, EncodeUTF7(want))
		}
	}
	for _, in := range []string{"&", "a&b", "&AGE-", "&AOk-&AOk-", "&AOk", "&2D0-", "&ADw=-", "&AAA-x&", "\x7f", "&AOl-", "&A/w-"} {
		if got, ok := DecodeUTF7(in); ok {
			t.Errorf("%q is %q", in, got)
		}
	}
}

func TestAWaitingDecoderHoldsNoBuffer(t *testing.T) {
	pr, pw := io.Pipe()
	d := NewDecoder(pr, After)
	go pw.Write([]byte("a1 NOOP\r\n"))
	if err := d.Wait(); err != nil {
		t.Fatal(err)
	}
	if d.buf != nil {
		t.Error("it waited with a buffer")
	}
	if tag, name, err := d.Begin(); tag != "a1" || name != "NOOP" || err != nil {
		t.Fatalf("got %q %q %v", tag, name, err)
	}
	done := make(chan error)
	go func() { done <- d.Wait() }()
	pw.Close()
	<-done
	if d.buf != nil {
		t.Error("it keeps its buffer")
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add("a1 LOGIN {3}\r\nann secret\r\n")
	f.Add("a1 FETCH 1:* (BODY[1.2.HEADER.FIELDS (\"To\" From)]<0.12>)\r\n")
	f.Add("a1 APPEND x (\\Seen) \" 7-Jul-1996 02:44:25 -0700\" ~{3+}\r\na\x00b\r\nb NOOP\r\n")
	f.Add("a1 SEARCH (OR (NOT SEEN) NIL) {5+}\r\nabcde\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		d := NewDecoder(iotest.HalfReader(strings.NewReader(in)), Limits{Line: 1000, Literal: 100, Command: 2000, Skip: 4000})
		d.Continue = func(string) error { return nil }
		for range 100 {
			if _, _, err := d.Begin(); err != nil && d.Broken() != nil {
				return
			}
			for i := range 60 {
				at := d.pos
				var err error
				switch (i + at) % 12 {
				case 0:
					err = d.SP()
				case 1:
					_, err = d.AString()
				case 2:
					_, err = d.NumSet()
				case 3:
					err = d.List(func() error { _, err := d.AString(); return err })
				case 4:
					_, err = d.Flags()
				case 5:
					_, err = d.Mailbox()
				case 6:
					_, err = d.DateTime()
				case 7:
					_, _, err = d.NString()
				case 8:
					_, err = d.Number64()
				case 9:
					var l *Literal
					if l, err = d.Literal(1000); err == nil {
						if _, err = io.Copy(io.Discard, l); err == nil {
							err = d.EndLiteral()
						}
					}
				case 10:
					_, err = d.ListMailbox()
				case 11:
					_, err = d.Word()
				}
				if d.Broken() != nil {
					return
				}
				_ = err
			}
			if d.spent > 2000+4000+1000 {
				t.Fatalf("a command of %d octets", d.spent)
			}
			if d.Discard() != nil {
				return
			}
		}
	})
}

func FuzzUTF7(f *testing.F) {
	f.Add("Entw&APw-rfe")
	f.Add("&U,BTFw-")
	f.Fuzz(func(t *testing.T, in string) {
		if name, ok := DecodeUTF7(in); ok && EncodeUTF7(name) != in {
			t.Errorf("%q is %q, which is %q", in, name, EncodeUTF7(name))
		}
	})
}
