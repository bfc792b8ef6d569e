package importer

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/delivery"
)

// Bounds of what is asked for, and filed, at once. Memory is two batches: one
// on its way in, one being filed.
const (
	batchMails = 200
	batchBytes = 4 << 20
	small      = 1 << 20 // a mail above this is never in memory
)

// hopeless is how many mails in a row may each break the connection: then it is
// not the mails.
const hopeless = 10

// copier copies one folder.
type copier struct {
	*run
	f     *folder
	batch []delivery.ImportMail
	bytes int64
	filed chan func() error // of the batch that is being filed; nil when none is
	alone int               // so many of the next mails are asked for one by one
	tries int               // of the next mail, alone
	broke int               // mails in a row that broke the connection
}

func (r *run) copy(ctx context.Context, f *folder) error {
	c := &copier{run: r, f: f}
	todo := f.items
	for len(todo) > 0 {
		n := group(todo)
		if c.alone > 0 {
			n = 1
		}
		rest, err := c.group(ctx, todo[:n])
		if err == nil && len(rest) > 0 {
			rest, err = c.still(ctx, rest)
		}
		switch {
		case err == nil && len(rest) > 0:
			rest = c.doubt(rest, n, errUnsent)
		case err == nil:
			c.alone, c.tries = max(c.alone-1, 0), 0
		case isTarget(err), ctx.Err() != nil:
			c.wait()
			return err
		case isOver(err):
			return cmp.Or(c.finish(ctx), err)
		case isFolder(err):
			r.Report.Failed(f.Name, 0, why(err))
			f.done.Failed += len(todo)
			return c.finish(ctx)
		default:
			rest = c.doubt(rest, n, err)
			if c.broke > hopeless {
				return cmp.Or(c.finish(ctx), fmt.Errorf("%w: %w", ErrGone, err))
			}
		}
		// What is left of the group is asked for again, before the others.
		copy(todo[n-len(rest):n], rest)
		todo = todo[n-len(rest):]
	}
	return c.finish(ctx)
}

// group is how many of the next mails are asked for at once.
func group(todo []item) int {
	var size int64
	for i, it := range todo {
		if size += it.size; i > 0 && size > batchBytes || i == batchMails {
			return i
		}
	}
	return len(todo)
}

// doubt decides about a group that ended badly. A group is asked for again
// mail by mail; a mail that ends badly twice on its own is given up.
func (c *copier) doubt(rest []item, n int, err error) []item {
	if !refusal(err) {
		c.source.close()
	}
	if len(rest) < n {
		c.broke = 0
	}
	if n > 1 {
		c.alone, c.tries = len(rest), 0
		return rest
	}
	if len(rest) == 0 {
		c.alone = max(c.alone-1, 0)
		return nil
	}
	if c.tries++; c.tries < 2 && !refusal(err) {
		return rest
	}
	if !refusal(err) {
		c.broke++
	}
	c.fail(rest[0].uid, why(err))
	c.alone, c.tries = max(c.alone-1, 0), 0
	return nil
}

func (c *copier) fail(uid uint32, why string) {
	c.f.done.Failed++
	c.Report.Failed(c.f.Name, uid, why)
}

// group fetches some mails and gives them to be filed. rest are those that did
// not arrive.
func (c *copier) group(ctx context.Context, items []item) (rest []item, err error) {
	var client *imapclient.Client
	err = c.trying(ctx, func() (err error) {
		client, _, err = c.source.examine(ctx, c.f.Name, c.f.Validity)
		return err
	})
	if refusal(err) {
		err = folderError{err}
	}
	if err != nil {
		return items, err
	}
	waiting := make(map[uint32]item, len(items))
	set := imap.UIDSet{}
	for _, it := range items {
		waiting[it.uid] = it
		set.AddNum(imap.UID(it.uid))
	}
	cmd := client.Fetch(set, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	for {
		m := cmd.Next()
		if m == nil {
			break
		}
		if err = c.message(ctx, m, waiting); err != nil {
			break
		}
	}
	switch {
	case err == nil:
		err = cmd.Close()
	case isBroken(err):
		// The client must not be asked to read on: the body that failed would be
		// read by two at once. What it still has ends with the connection.
		c.source.close()
	default:
		c.source.close()
		cmd.Close()
	}
	for _, it := range items {
		if _, still := waiting[it.uid]; still {
			rest = append(rest, it)
		}
	}
	return rest, err
}

// message takes what an answer brings; waiting are the mails that were asked for.
func (c *copier) message(ctx context.Context, m *imapclient.FetchMessageData, waiting map[uint32]item) error {
	var uid uint32
	for {
		switch d := m.Next().(type) {
		case nil:
			return nil
		case imapclient.FetchItemDataUID:
			uid = uint32(d.UID)
		case imapclient.FetchItemDataBodySection:
			it, wanted := waiting[uid]
			if !wanted {
				continue
			}
			if err := c.take(ctx, it, d.Literal); err != nil {
				return err
			}
			delete(waiting, uid)
		}
	}
}

// errUnsent: the other host leaves a mail out that it has. Or it says the UID
// behind the bytes, and the client cannot tell what they are.
var errUnsent = &imap.Error{Type: imap.StatusResponseTypeNo, Text: "the host does not send it"}

// still is which of items, that did not arrive, are there still: the others
// were expunged since they were listed.
func (c *copier) still(ctx context.Context, items []item) (there []item, err error) {
	client, _, err := c.source.examine(ctx, c.f.Name, c.f.Validity)
	if err != nil {
		return items, err
	}
	set := imap.UIDSet{}
	for _, it := range items {
		set.AddNum(imap.UID(it.uid))
	}
	found, err := client.Fetch(set, &imap.FetchOptions{UID: true}).Collect()
	if err != nil {
		return items, err
	}
	for _, it := range items {
		if slices.ContainsFunc(found, func(m *imapclient.FetchMessageBuffer) bool { return uint32(m.UID) == it.uid }) {
			there = append(there, it)
		}
	}
	return there, nil
}

// take gives one mail to be filed: a small one with others.
func (c *copier) take(ctx context.Context, it item, body imap.LiteralReader) error {
	if body == nil {
		c.fail(it.uid, "BODY[] NIL")
		return nil
	}
	m := c.f.mail(it)
	if m.Size = body.Size(); m.Size > small {
		if err := c.flush(ctx); err != nil {
			return err
		}
		r := &reading{r: body}
		m.Body = r
		err := c.start(ctx, []delivery.ImportMail{m})
		if err == nil {
			err = c.wait()
		}
		if r.err != nil {
			return brokenError{r.err}
		}
		return err
	}
	if len(c.batch) == batchMails || c.bytes+m.Size > batchBytes {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	b := make([]byte, m.Size)
	if _, err := io.ReadFull(body, b); err != nil {
		return brokenError{err}
	}
	m.Body = bytes.NewReader(b)
	c.batch, c.bytes = append(c.batch, m), c.bytes+m.Size
	return nil
}

// reading remembers that it was the other host that failed.
type reading struct {
	r   io.Reader
	err error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// flush has the batch filed, and waits for the one before only: while one is
// filed the next comes in.
func (c *copier) flush(ctx context.Context) error {
	if len(c.batch) == 0 {
		return c.wait()
	}
	batch := c.batch
	c.batch, c.bytes = nil, 0
	return c.start(ctx, batch)
}

func (c *copier) start(ctx context.Context, mails []delivery.ImportMail) error {
	if err := c.wait(); err != nil {
		return err
	}
	filed := make(chan func() error, 1)
	c.filed = filed
	go func() {
		out, err := c.Target.Keep(ctx, c.f.place.ID, mails)
		filed <- func() error { return c.account(mails, out, err) }
	}()
	return nil
}

// wait ends when nothing is being filed any more, and accounts for what was.
func (c *copier) wait() error {
	if c.filed == nil {
		return nil
	}
	account := <-c.filed
	c.filed = nil
	return account()
}

// finish has everything filed that has arrived, whatever became of the rest.
func (c *copier) finish(ctx context.Context) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	return c.wait()
}

func (c *copier) account(mails []delivery.ImportMail, out []Outcome, err error) error {
	if err == nil && len(out) != len(mails) {
		err = fmt.Errorf("%d answers for %d mails", len(out), len(mails))
	}
	if err != nil {
		return targetError{err}
	}
	for i, o := range out {
		switch o.Imported {
		case delivery.Copied:
			c.f.done.New++
			c.f.done.Bytes += mails[i].Size
		case delivery.Have:
			c.f.done.Have++
		default:
			c.fail(uint32(mails[i].UID), o.Why)
		}
		c.bytesDone += mails[i].Size
	}
	c.broke = 0
	c.mailsDone += len(mails)
	c.Report.Progress(c.f.Name, c.mailsDone, c.bytesDone)
	return nil
}
