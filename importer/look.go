package importer

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"colporteur/delivery"
	"colporteur/store/mailbox"
)

// item is a mail that is to be copied. There may be a million of them.
type item struct {
	uid   uint32
	flags uint32 // of folder.flags
	size  int64
	date  int64 // Unix seconds, 0 if it is not known
}

// run is one copying.
type run struct {
	*Importer
	source  *source
	folders []*folder
	total   Tally
	done    Tally

	mailsDone int // of the plan
	bytesDone int64
}

func (r *run) all(ctx context.Context) error {
	err := r.trying(ctx, func() (err error) {
		r.folders, err = r.source.list(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range r.folders {
		if err := r.look(ctx, f); err != nil {
			return err
		}
	}
	r.Report.Plan(r.total)
	for _, f := range r.folders {
		if f.shut {
			continue
		}
		if r.Look {
			f.done.New, f.done.Bytes = len(f.items), sum(f.items)
		} else if err := r.copy(ctx, f); err != nil {
			return err
		}
		r.done.add(f.done)
		r.Report.Folder(f.Name, f.place.Mailbox, f.done)
		f.items = nil
	}
	return nil
}

// look finds out what is to be copied of a folder. A folder that cannot be
// opened is reported; the others are copied all the same.
func (r *run) look(ctx context.Context, f *folder) error {
	// A date that is none ends the connection: without dates the rest can be had.
	for _, dates := range []bool{true, false} {
		err := r.trying(ctx, func() error {
			c, data, err := r.source.examine(ctx, f.Name, 0)
			if err != nil {
				return err
			}
			f.Source = r.User + "@" + strings.ToLower(r.Addr)
			f.Validity = data.UIDValidity
			if f.place, err = r.Target.Open(ctx, f.ImportFolder, r.Look); err != nil {
				return targetError{err}
			}
			f.items, f.done = nil, Tally{}
			if data.NumMessages == 0 {
				return nil
			}
			return f.list(c, dates)
		})
		switch {
		case err == nil:
			r.total.add(Tally{New: len(f.items), Have: f.done.Have, Bytes: sum(f.items)})
			return nil
		case unreadable(err) && dates:
			continue
		case refusal(err), unreadable(err), isTarget(err) && final(err):
			f.shut = true
			r.done.Failed++
			r.Report.Failed(f.Name, 0, why(err))
			return nil
		}
		return err
	}
	return nil
}

// list lists a folder: by sequence numbers, which cannot change while the
// answer lasts, and leave no holes.
func (f *folder) list(c *imapclient.Client, dates bool) error {
	have := mailbox.RangeSet(f.place.Have...)
	sets := map[string]uint32{}
	cmd := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true, Flags: true, RFC822Size: true, InternalDate: dates})
	for {
		m := cmd.Next()
		if m == nil {
			return cmd.Close()
		}
		var it item
		for d := m.Next(); d != nil; d = m.Next() {
			switch d := d.(type) {
			case imapclient.FetchItemDataUID:
				it.uid = uint32(d.UID)
			case imapclient.FetchItemDataRFC822Size:
				it.size = d.Size
			case imapclient.FetchItemDataInternalDate:
				it.date = d.Time.Unix()
			case imapclient.FetchItemDataFlags:
				it.flags = f.intern(sets, d.Flags)
			}
		}
		switch {
		case it.uid == 0: // a change of flags that was not asked for
		case have.Contains(mailbox.UID(it.uid)):
			f.done.Have++
		default:
			f.items = append(f.items, it)
		}
	}
}

// intern keeps each set of flags once.
func (f *folder) intern(sets map[string]uint32, flags []imap.Flag) uint32 {
	words := make([]string, len(flags))
	for i, w := range flags {
		words[i] = string(w)
	}
	slices.Sort(words)
	key := strings.Join(words, " ")
	n, ok := sets[key]
	if !ok {
		n = uint32(len(f.flags))
		f.flags, sets[key] = append(f.flags, key), n
	}
	return n
}

func (f *folder) mail(it item) delivery.ImportMail {
	m := delivery.ImportMail{UID: mailbox.UID(it.uid), Once: f.Once, Flags: strings.Fields(f.flags[it.flags])}
	if it.date != 0 {
		m.Date = unix(it.date)
	}
	return m
}

func sum(items []item) (n int64) {
	for _, it := range items {
		n += it.size
	}
	return n
}
