package lighten

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"colporteur/mail"
)

// scanned is the structure of a mail.
func scanned(t *testing.T, raw []byte) *mail.Summary {
	t.Helper()
	s := &mail.Scanner{}
	if _, err := s.Write(raw); err != nil {
		t.Fatal(err)
	}
	sum, _, err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func leavesOf(p *mail.Part) (out []*mail.Part) {
	if len(p.Children) == 0 {
		return []*mail.Part{p}
	}
	for _, c := range p.Children {
		out = append(out, leavesOf(c)...)
	}
	return out
}

// Whatever a mail looks like, taking one part out leaves the others as they
// were, or is refused.
func FuzzTakingAPartOutLeavesTheOthers(f *testing.F) {
	f.Add("Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: a/b; name=c\r\n\r\nfile\r\n--b\r\nContent-Type: d/e; name=f\r\n\r\nfile2\r\n--b--\r\n", 1)
	f.Add("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/x; boundary=\"c d\"\r\n\r\n--c d \r\n\r\n\r\n--c d--\r\n--b\r\n\r\nx", 0)
	f.Add("Content-Type: a/b; name=c\r\n\r\nx", 0)
	f.Add("Content-Type: text/html; charset=x\r\nContent-Transfer-Encoding: base64\r\n\r\nPGh0bWw+", 0)
	f.Fuzz(func(t *testing.T, in string, which int) {
		raw := []byte(strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\n", "\r\n"))
		sum := scanned(t, raw)
		all := leavesOf(sum.Root)
		take := all[((which%len(all))+len(all))%len(all)]
		open := func(offset int64) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(raw[min(offset, int64(len(raw))):])), nil
		}
		es, err := edits(sum.Root, int64(len(raw)), []*mail.Part{take}, open)
		if err != nil {
			if !errors.Is(err, ErrShape) && !errors.Is(err, ErrSealed) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
			return
		}
		var out []byte
		at := int64(0)
		for _, x := range es {
			out = append(out, raw[at:x.from]...)
			at = x.to
			if x.write != nil {
				p, err := x.write(Block{Heading: "\u00e9t\u00e9", URL: "https://x.test/t/abc", Lines: []string{"a.pdf"}})
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, p...)
			}
		}
		out = append(out, raw[at:]...)
		if !bytes.Contains(out, []byte("x.test/t/abc")) && !bytes.Contains(out, []byte("x.test/=")) && len(es) > 0 {
			after := scanned(t, out)
			found := false
			for _, p := range leavesOf(after.Root) {
				found = found || bytes.Contains(mail.AppendDecoded(nil, p.Encoding, out[p.BodyOffset:p.BodyOffset+p.Size]), []byte("x.test/t/abc"))
			}
			if !found {
				t.Fatalf("the link is nowhere:\n%s\nfrom\n%s", out, raw)
			}
		}
		for _, p := range all {
			if p != take && !strings.HasPrefix(p.Type, "text/") && !bytes.Contains(out, raw[p.Offset:p.BodyOffset+p.Size]) {
				t.Fatalf("the part at %d is gone:\n%s\nfrom\n%s", p.Offset, out, raw)
			}
		}
	})
}
