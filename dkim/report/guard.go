package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/htmlindex"
)

// guard counts what the decoder takes for one token: it keeps a token whole,
// and a stranger could send one that never ends.
type guard struct {
	r     io.Reader
	buf   []byte
	i, n  int
	token int // octets since the last one
	all   int64
}

func newGuard(r io.Reader) *guard { return &guard{r: r, buf: make([]byte, 32<<10)} }

func (g *guard) ReadByte() (byte, error) {
	if g.i == g.n {
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	if g.token++; g.token > maxToken {
		return 0, ErrTooBig
	}
	b := g.buf[g.i]
	g.i++
	return b, nil
}

func (g *guard) Read(p []byte) (int, error) {
	if g.i == g.n {
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	if g.token > maxToken {
		return 0, ErrTooBig
	}
	n := copy(p, g.buf[g.i:g.n])
	g.i += n
	g.token += n
	return n, nil
}

func (g *guard) fill() error {
	for range 100 {
		n, err := g.r.Read(g.buf)
		g.i, g.n = 0, n
		if g.all += int64(n); g.all > maxXML {
			return ErrTooBig
		}
		if n > 0 {
			return nil // an error comes again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// tokens is the decoder under its bounds.
type tokens struct {
	d *xml.Decoder
	r *guard
	n int
}

func (t *tokens) next() (xml.Token, error) {
	if t.n++; t.n > maxTokens {
		return nil, ErrTooBig
	}
	t.r.token = 0
	return t.d.Token()
}

// charset serves what reporters declare. A declaration that could be read at
// all is not UTF-16, whatever .NET writes into it.
func charset(label string, in io.Reader) (io.Reader, error) {
	label = strings.ToLower(strings.TrimSpace(label))
	if strings.HasPrefix(label, "utf-16") || label == "utf8" || label == "ascii" {
		return in, nil
	}
	e, err := htmlindex.Get(label)
	if err != nil {
		return nil, fmt.Errorf("character set %q is not known", brief(label))
	}
	return e.NewDecoder().Reader(in), nil
}
