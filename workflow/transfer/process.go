package transfer

import (
	"context"
	"strconv"
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow"
	"colporteur/workflow/link"
)

// noteLimit is how many characters of the mail's text go to the guests.
const noteLimit = 2000

var _ workflow.Processor = (*Service)(nil)

// incoming is what one mail to envoi@ wants to share.
type incoming struct {
	files   []File
	kept    []workflow.Kept // pairwise with files
	damaged []string        // names of files that arrived broken
	note    string
	guests  []guest
}

type guest struct {
	addr mail.Address
	name string
	lang string
}

// Process makes a transfer of a mail.
func (s *Service) Process(ctx context.Context, in *workflow.Inbound) error {
	inc, err := s.read(ctx, in)
	if err != nil {
		return err
	}
	switch {
	case len(inc.files) > 0:
	case len(inc.damaged) > 0:
		return workflow.Refuse("transfer-all-damaged", "Names", strings.Join(inc.damaged, ", "))
	default:
		return workflow.Refuse("transfer-no-file", "Address", in.Address.String())
	}
	// ErrUnique here means that the same mail is being processed by somebody else
	// at this moment: it is tried again, and finds the transfer made.
	return s.DB.Write(ctx, func(tx *store.Tx) error { return s.make(ctx, tx, in, inc) })
}

// read finds the files and durable bytes for each, before the transaction.
func (s *Service) read(ctx context.Context, in *workflow.Inbound) (*incoming, error) {
	inc := &incoming{}
	for _, a := range in.Files() {
		k, damaged, err := in.Keep(ctx, a)
		if err != nil {
			return nil, err
		}
		if damaged {
			inc.damaged = append(inc.damaged, a.Name)
			continue
		}
		inc.kept = append(inc.kept, k)
		inc.files = append(inc.files, File{Seq: len(inc.files), Name: a.Name, MediaType: store.Clean(a.Type),
			Size: k.Size, SHA256: k.SHA256, Blob: k.Blob})
	}
	for _, a := range in.Guests {
		g := guest{addr: a, name: in.NameOf(a), lang: in.Lang()}
		if s.LangOf != nil {
			if lang := s.LangOf(ctx, a); lang != "" {
				g.lang = locale.For(lang).Lang
			}
		}
		inc.guests = append(inc.guests, g)
	}
	var err error
	inc.note, err = in.Text(ctx, noteLimit)
	return inc, err
}

// make is the one transaction. The same mail a second time only invites guests
// it did not name before, and its bytes go at once: the first has them.
func (s *Service) make(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming) error {
	var id ID
	err := tx.QueryRow(ctx, `SELECT id FROM transfer WHERE member = $1 AND key = $2`, int64(in.Sender.ID), in.Key()).Scan(&id)
	switch {
	case err == nil:
		return s.repeated(ctx, tx, in, inc, id)
	case err != store.ErrNoRows:
		return err
	}
	now := s.now()
	t := &Transfer{ID: ID(store.NewID()), Member: in.Sender.ID, Account: in.Sender.Account, From: in.SenderName(),
		Subject: in.Subject(), Note: inc.note, Created: now, Expires: lasts(now, in.Vars["days"]),
		Files: inc.files, message: in.Message.ID}
	if t.Subject == "" {
		t.Subject = t.Files[0].Name
	}
	if _, err := tx.Exec(ctx, `INSERT INTO transfer (id, account, member, sender, key, subject, note, mail, message, created, expires, ended, recalled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0)`, int64(t.ID), int64(t.Account), int64(t.Member), t.From,
		in.Key(), t.Subject, t.Note, in.Mail, int64(t.message), store.Micros(t.Created), store.Micros(t.Expires)); err != nil {
		return err
	}
	for i, f := range inc.files {
		if ref := inc.kept[i].Ref; ref != nil {
			if err := s.Blobs.Insert(ctx, tx, *ref); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO transfer_file (transfer, seq, name, media_type, size, sha256, blob)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, int64(t.ID), f.Seq, f.Name, f.MediaType, f.Size, f.SHA256, int64(f.Blob)); err != nil {
			return err
		}
	}
	own := link.Link{Public: true, Kind: link.Transfer, Thing: int64(t.ID), Owner: t.Member, Person: in.Sender.Address, Lang: in.Lang(), Expires: t.Expires}
	share, _, err := s.Links.Add(ctx, tx, own)
	if err != nil {
		return err
	}
	own.Public, own.Manage, own.Expires = false, true, t.Expires.Add(Grace)
	manage, _, err := s.Links.Add(ctx, tx, own)
	if err != nil {
		return err
	}
	invited, err := s.invite(ctx, tx, in, t, inc.guests)
	if err != nil {
		return err
	}
	if s.Shelf != nil {
		if err := s.Shelf.Made(ctx, tx, t); err != nil {
			return err
		}
	}
	return in.ReplyIn(ctx, tx, receipt(locale.For(in.Lang()), t, share, manage, invited, inc.damaged), int64(manage.ID))
}

// invite gives each guest a link and a mail of their own, and returns those who got one.
func (s *Service) invite(ctx context.Context, tx *store.Tx, in *workflow.Inbound, t *Transfer, guests []guest) ([]guest, error) {
	var invited []guest
	for _, g := range guests {
		l, _, err := s.Links.Add(ctx, tx, link.Link{Kind: link.Transfer, Thing: int64(t.ID), Owner: t.Member,
			Person: g.addr, Name: g.called(), Lang: g.lang, Expires: t.Expires})
		if err != nil {
			return nil, err
		}
		p := locale.For(g.lang)
		from := in.From
		sent, err := s.Post.Send(ctx, tx, workflow.Notice{Mail: name(t.ID), What: "invitation",
			To: g.addr, From: mail.Address{Local: "envoi", Domain: in.Address.Domain},
			FromName: p.T("workflow-on-behalf", "Name", t.From), ReplyTo: &from, Lang: g.lang, Letter: invitation(p, t, l)})
		if err != nil {
			return nil, err
		}
		if sent {
			invited = append(invited, g)
		}
	}
	return invited, nil
}

// repeated deals with a mail that came before.
func (s *Service) repeated(ctx context.Context, tx *store.Tx, in *workflow.Inbound, inc *incoming, id ID) error {
	t, err := get(ctx, tx, id, true)
	if err != nil {
		return err
	}
	if t.Ended.IsZero() && t.Expires.After(s.now()) {
		if t.Files, err = files(ctx, tx, id); err != nil {
			return err
		}
		have, err := s.Links.In(ctx, tx, link.Transfer, int64(id))
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, l := range have {
			known[l.Person.Key()] = true
		}
		var more []guest
		for _, g := range inc.guests {
			if !known[g.addr.Key()] {
				more = append(more, g)
			}
		}
		if _, err := s.invite(ctx, tx, in, t, more); err != nil {
			return err
		}
	}
	if t.message != in.Message.ID {
		in.Forget()
	}
	return nil
}

// lasts reads the end that an address asks for: "7j", "30d", "30", "12h".
func lasts(now time.Time, s string) time.Time {
	n, err := strconv.Atoi(strings.TrimRight(s, "jdh"))
	switch {
	case err != nil || n < 1:
		return now.AddDate(0, 0, DefaultDays)
	case strings.HasSuffix(s, "h"):
		return now.Add(min(time.Duration(n)*time.Hour, MaxDays*24*time.Hour))
	}
	return now.AddDate(0, 0, min(n, MaxDays))
}

// called is the guest's name, "" when it says no more than the address.
func (g guest) called() string {
	if g.name == g.addr.String() {
		return ""
	}
	return g.name
}
