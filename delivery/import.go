package delivery

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/mailbox"
)

// # Mail from another host
//
// A mail that is copied from elsewhere is filed together with a row that says
// which one it was, in one transaction. So a copying that is killed goes on
// where it was, and one that is begun again copies nothing twice. The other
// host may number its folder anew; then a mail is known by its Message-ID and
// its bytes, within one mailbox of ours only: who kept a mail in two folders
// has it in two mailboxes.

// ImportMail is one mail of a folder that was opened.
type ImportMail struct {
	UID   mailbox.UID // there
	Flags []string
	Date  time.Time // its INTERNALDATE; zero takes the mail's own
	Size  int64     // octets of Body
	Body  io.Reader `json:"-"`
	Once  bool      // not if it is in any mailbox of ours already, from the same source
}

// Imported says what became of a mail.
type Imported int

const (
	Copied  Imported = iota
	Have             // it is here already
	Skipped          // it cannot be kept here; the error says why
)

// ImportResult is what became of one mail.
type ImportResult struct {
	Imported
	Err error // of Skipped
}

// importing is a mail whose bytes are spooled.
type importing struct {
	*ImportMail
	*spooled
	digest []byte
	in     *mailbox.Incoming
}

// Import files mails of one folder in one transaction, in their order, which
// is the order of their UIDs here. What is wrong with a single mail is in its
// result. An error means that none of them was filed, and that others would
// not be either: the mailbox is full, or the database away.
func (d *Door) Import(ctx context.Context, u mail.User, place int64, next func() (*ImportMail, error)) ([]ImportResult, error) {
	var results []ImportResult
	var mails []importing
	var at []int // of mails in results
	var size int64
	defer func() { // what was filed is not named here any more
		for _, m := range mails {
			d.Blobs.Discard(m.draft.Refs...)
		}
	}()
	for {
		m, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		size += m.Size
		if err := d.room(ctx, u, size); err != nil {
			return nil, err
		}
		s, err := d.importSpool(ctx, u, m)
		switch {
		case err == nil:
			mails, at = append(mails, s), append(at, len(results))
			results = append(results, ImportResult{})
		case lasting(err):
			results = append(results, ImportResult{Skipped, err})
		default:
			return nil, err
		}
	}
	var kept []Imported
	err := d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		kept, err = d.fileImports(ctx, tx, u, place, mails)
		return err
	})
	if err != nil {
		if err = kinded(err); mail.Is(err, mail.Unavailable) {
			mails = nil // nobody knows whether it committed; the sweeper will
		}
		return nil, err
	}
	var spare []importing
	for i, k := range kept {
		results[at[i]].Imported = k
		if k != Copied {
			spare = append(spare, mails[i])
		}
	}
	mails = spare
	return results, nil
}

// lasting says whether err is about this mail, and would be the next time too.
func lasting(err error) bool {
	switch mail.KindOf(err) {
	case mail.TooBig, mail.BadContent, mail.BadSyntax, mail.BareNewline, mail.Policy:
		return true
	}
	return false
}

func (d *Door) importSpool(ctx context.Context, u mail.User, m *ImportMail) (importing, error) {
	out := importing{ImportMail: m}
	body := &io.LimitedReader{R: m.Body, N: m.Size}
	d256 := sha256.New()
	s, err := d.spool(ctx, newCRLF(body), d256, nil, encoded(d.dropLimit()), u.Address.Domain)
	if err == nil && body.N > 0 {
		d.Blobs.Discard(s.draft.Refs...)
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		err = kinded(err)
		if lasting(err) { // the mail behind it in the same stream can still be read
			if _, drain := io.Copy(io.Discard, body); drain != nil {
				return out, drain
			}
		}
		return out, err
	}
	out.spooled = s
	out.digest = digest(s, d256)
	date := m.Date
	if date.IsZero() {
		date = s.draft.Summary.Date
	}
	if date.IsZero() || date.After(d.now().Add(24*time.Hour)) {
		date = d.now()
	}
	out.in = s.incoming(nil, date)
	out.in.Flags = mailbox.UsableFlags(m.Flags)
	return out, nil
}

// digest knows a mail again. One without a Message-ID is like others by
// chance: an empty mail, say, of which somebody may well have two.
func digest(s *spooled, h hash.Hash) []byte {
	if s.draft.Summary.MessageID == "" {
		return []byte{}
	}
	return h.Sum(nil)[:16]
}

// fileImports files mails and says which; those that are here already are left out.
func (d *Door) fileImports(ctx context.Context, tx *store.Tx, u mail.User, place int64, mails []importing) ([]Imported, error) {
	var box mailbox.ID
	err := tx.QueryRow(ctx, `SELECT mailbox FROM import_folder WHERE id = $1 AND account = $2`, place, int64(u.Account)).Scan(&box)
	if errors.Is(err, store.ErrNoRows) {
		return nil, mail.Refuse(mail.NotFound, "mailbox-none").Because(err)
	}
	if err != nil {
		return nil, err
	}
	out := make([]Imported, len(mails))
	for i, m := range mails {
		known, err := here(ctx, tx, u, place, box, m)
		if err != nil {
			return nil, err
		}
		n, err := tx.Exec(ctx, `INSERT INTO import_mail (folder, uid, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			place, int64(m.UID), m.digest)
		if err != nil {
			return nil, err
		}
		if known || n == 0 {
			out[i] = Have
			continue
		}
		if err := d.Messages.Insert(ctx, tx, m.draft); err != nil {
			return nil, err
		}
		if _, err := d.Mailboxes.Append(ctx, tx, u.Account, box, m.in); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// here says whether a mail came before, by its bytes.
func here(ctx context.Context, tx *store.Tx, u mail.User, place int64, box mailbox.ID, m importing) (bool, error) {
	if len(m.digest) == 0 {
		return false, nil
	}
	q, args := `SELECT 1 FROM import_mail i JOIN import_folder f ON f.id = i.folder WHERE i.digest = $1 AND f.mailbox = $2`, []any{m.digest, int64(box)}
	if m.Once {
		q, args = `SELECT 1 FROM import_mail i JOIN import_folder f ON f.id = i.folder WHERE i.digest = $1 AND f.account = $2
			AND f.source = (SELECT source FROM import_folder WHERE id = $3)`, []any{m.digest, int64(u.Account), place}
	}
	var one int
	err := tx.QueryRow(ctx, q+` LIMIT 1`, args...).Scan(&one)
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// crlf makes every line end CRLF: some hosts keep mail with LF alone and serve
// it as it is, and what we store is read as lines by everybody after us. A CR
// alone stays: no host makes them of line ends, so it is what somebody wrote.
type crlf struct {
	r    *bufio.Reader
	cr   bool // the last octet was CR
	owed bool // an LF is to come, its CR was handed out
}

func newCRLF(r io.Reader) io.Reader { return &crlf{r: bufio.NewReaderSize(r, 32<<10)} }

func (c *crlf) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if c.owed {
			p[n], c.owed, c.cr = '\n', false, false
			n++
			continue
		}
		if n > 0 && c.r.Buffered() == 0 {
			return n, nil
		}
		b, err := c.r.ReadByte()
		if err != nil {
			return n, err
		}
		if b == '\n' && !c.cr {
			b, c.owed = '\r', true
		}
		p[n], c.cr = b, b == '\r'
		n++
	}
	return n, nil
}
