package imap

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"colporteur/store/mailbox"

	proto "github.com/emersion/go-imap/v2"
)

const (
	// keepHeader is how much of selected header fields is held in memory. When
	// there is more, it is measured first and read a second time.
	keepHeader = 256 << 10
	// A field name is at most a line (RFC 5322 §2.1.1).
	maxFieldName = 998
)

// headerSection opens BODY[HEADER.FIELDS (…)] and …NOT: the fields as they are,
// folded lines and all, and the empty line (RFC 3501 §6.4.5).
func (f *fetch) headerSection(c *mailbox.Content, where span, item *proto.FetchItemBodySection) (*section, error) {
	want, not := item.HeaderFields, false
	if len(want) == 0 {
		want, not = item.HeaderFieldsNot, true
	}
	names := make(map[string]bool, len(want))
	for _, n := range want {
		names[strings.ToLower(n)] = true
	}
	pick := func(name string) bool { return names[name] != not }

	src, err := f.openSpan(c, where)
	if err != nil {
		return nil, err
	}
	first := &counter{keep: keepHeader}
	err = filterHeader(first, src, pick)
	src.Close()
	if err != nil {
		return nil, err
	}
	part := span{0, first.n}.partial(item.Partial)
	if first.n <= keepHeader {
		return &section{Reader: bytes.NewReader(first.buf.Bytes()[part.from:part.to]), size: part.size()}, nil
	}

	if src, err = f.openSpan(c, where); err != nil {
		return nil, err
	}
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pw.CloseWithError(filterHeader(pw, src, pick))
	}()
	closeAll := func() error {
		pr.Close()
		<-done
		src.Close()
		return nil
	}
	if _, err := io.CopyN(io.Discard, pr, part.from); err != nil {
		closeAll()
		return nil, err
	}
	return &section{Reader: pr, close: closeAll, size: part.size()}, nil
}

// counter counts what is written and keeps its beginning.
type counter struct {
	n    int64
	keep int
	buf  bytes.Buffer
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	if room := c.keep - c.buf.Len(); room > 0 {
		c.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// filterHeader copies the fields whose lower-case name pick wants, and ends
// with an empty line. A line without a name goes where its field goes.
func filterHeader(w io.Writer, r io.Reader, pick func(name string) bool) error {
	br := bufio.NewReaderSize(r, 4096)
	on := false
	start := true // of a line
	for {
		part, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		if start && len(part) > 0 {
			if len(bytes.TrimRight(part, "\r\n")) == 0 {
				break // the end of the header
			}
			if part[0] != ' ' && part[0] != '\t' {
				name, _, ok := bytes.Cut(part[:min(len(part), maxFieldName)], []byte(":"))
				on = ok && pick(strings.ToLower(string(bytes.TrimRight(name, " \t"))))
			}
		}
		if on {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		start = err == nil
		if err == io.EOF {
			if on && len(part) > 0 { // a header that ends without a line end
				io.WriteString(w, "\r\n")
			}
			break
		}
	}
	_, err := io.WriteString(w, "\r\n")
	return err
}
