package workflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode"

	"colporteur/delivery"
	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/message"
	"colporteur/workflow/link"
)

// Inbound is one mail to a program.
type Inbound struct {
	Mail    string // our id of it
	Pattern string
	Address mail.Address      // the program's, as the sender wrote it
	Vars    map[string]string // "name", "days", "token"
	Sender  mail.User         // proven, or confirmed since; the zero User when a guest wrote
	From    mail.Address      // envelope sender, one of Sender's; answers go there
	Guests  []mail.Address    // the other recipients
	Outside bool              // it came from another host
	Author  mail.Address      // of mail from outside: the From field's
	Proven  bool              // of mail from outside: Author's domain signed it
	At      time.Time         // accepted
	Message *message.Message
	Summary *mail.Summary // Message's
	Guest   *link.Link    // the link whose person wrote it, at Answer; what is said goes to them

	mux     *Mux
	job     delivery.Program
	waits   bool // see Wait
	settled bool // dealt with by an earlier run of the job
	forget  bool // see Forget
}

// Bounce is a processor's refusal in words the sender reads.
type Bounce struct {
	Text mail.Text
	Err  error // for the log; may be nil
}

func (b *Bounce) Error() string {
	if b.Err != nil {
		return b.Text.ID + ": " + b.Err.Error()
	}
	return b.Text.ID
}

func (b *Bounce) Unwrap() error { return b.Err }

// Refuse makes a Bounce of a sentence of package locale.
func Refuse(id string, args ...any) *Bounce { return &Bounce{Text: mail.MakeText(id, args...)} }

// Lang is the language the sender reads: the member's setting, else the guest's
// link's, else the mail's.
func (in *Inbound) Lang() string {
	if in.Guest != nil && in.Guest.Lang != "" {
		return locale.For(in.Guest.Lang).Lang
	}
	if in.Sender.Lang != "" {
		return locale.For(in.Sender.Lang).Lang
	}
	return locale.For(in.Summary.Lang).Lang
}

// Key knows the mail again when it comes twice: two tries of the sender's
// program, or one mail by two roads, carry the same Message-ID.
func (in *Inbound) Key() string {
	if id := in.Summary.MessageID; id != "" {
		h := sha256.Sum256([]byte(id))
		return hex.EncodeToString(h[:16])
	}
	return "mail:" + in.Mail
}

// program names the recipient this is for: a mail may go to two albums. The
// token of a reply address is not written down.
func (in *Inbound) program() string {
	local := mail.FoldLocal(in.Address.Local)
	if in.secret() {
		h := sha256.Sum256([]byte(local))
		return in.Pattern + " " + hex.EncodeToString(h[:8])
	}
	return store.Clean(local)
}

// secret says that whoever knows the program's address may use it.
func (in *Inbound) secret() bool { return in.Vars["token"] != "" || in.Vars["secret"] != "" }

// Automatic says that no person sent this mail: a vacation notice, a list.
// Nothing it says is a command, and it is not answered (RFC 3834 §2).
func (in *Inbound) Automatic() bool { return in.Summary.Auto != "" || in.From.IsZero() }

// Subject is the mail's, without reply marks, in one bounded line.
func (in *Inbound) Subject() string { return bound(bareSubject(in.Summary.Subject), 150) }

// writer is who answers go to: the person of the link that a guest's mail came
// by, the member at their own address here, the proven author of mail from
// outside. Nobody when a stranger may have written somebody else's address: our
// answer would be their spam.
func (in *Inbound) writer() (a mail.Address, name string) {
	switch {
	case in.Guest != nil:
		return in.Guest.Person, in.Guest.Name
	case in.Sender.ID == 0 && in.Outside && in.Proven:
		return in.Author, ""
	case in.Sender.ID == 0:
		return mail.Address{}, ""
	case in.Outside: // a scanner's envelope leads nowhere
		return in.Sender.Address, in.Sender.Name
	}
	return in.From, in.Sender.Name
}

// Reply answers the sender. A mail gets one answer of each program, whatever is
// said afterwards and however often it comes: the first stands. Automatic mail
// gets none.
func (in *Inbound) Reply(ctx context.Context, l letter.Letter) error {
	return in.mux.DB.Write(ctx, func(tx *store.Tx) error { return in.ReplyIn(ctx, tx, l, 0) })
}

// ReplyIn is Reply in the transaction of what it tells about. replies, when not
// zero, is the link whose reply address answers should go to.
func (in *Inbound) ReplyIn(ctx context.Context, tx *store.Tx, l letter.Letter, replies int64) error {
	n := in.notice(l)
	if in.Automatic() || n.To.IsZero() {
		return nil
	}
	n.ReplyLink = replies
	_, err := in.mux.Post.Send(ctx, tx, n)
	return err
}

func (in *Inbound) notice(l letter.Letter) Notice {
	if l.Subject == "" {
		l.Subject = "Re: " + in.Subject()
	}
	to, name := in.writer()
	n := Notice{Mail: in.Key(), What: "reply " + in.program(), To: to, ToName: name, From: in.Address,
		Lang: in.Lang(), Replied: true, Letter: l}
	if id := in.Summary.MessageID; id != "" {
		n.InReplyTo = id
		n.References = append(append(n.References, in.Summary.References...), id)
	}
	return n
}

// NameOf is how the mail's To and Cc fields name somebody, else the address.
func (in *Inbound) NameOf(a mail.Address) string {
	for _, list := range [][]mail.Mailbox{in.Summary.To, in.Summary.Cc} {
		for _, m := range list {
			if b, err := mail.ParseAddress(m.Addr); err == nil && b.Key() == a.Key() && m.Name != "" {
				return bound(m.Name, 60)
			}
		}
	}
	return a.String()
}

// SenderName is how guests read who shares something with them.
func (in *Inbound) SenderName() string {
	if in.Guest != nil {
		return bound(in.Guest.Called(), 60)
	}
	if in.Sender.Name != "" {
		return bound(in.Sender.Name, 60)
	}
	return in.From.String()
}

// Said is a letter of one sentence; a line break in it begins a paragraph.
func Said(p locale.Printer, id string, args ...any) letter.Letter {
	var l letter.Letter
	for para := range strings.SplitSeq(strings.TrimSpace(p.T(id, args...)), "\n") {
		l.Para(para)
	}
	return l
}

// Join is a list as people write it: "Ann, Bob et Claire".
func Join(p locale.Printer, names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return p.T("workflow-and", "First", strings.Join(names[:len(names)-1], ", "), "Last", names[len(names)-1])
}

// bound cuts s to n characters, in one line.
func bound(s string, n int) string {
	// Not strings.Fields: French has spaces that must not break.
	s = strings.Join(strings.FieldsFunc(store.Clean(s), func(r rune) bool { return r == ' ' || unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }), " ")
	if r := []rune(s); len(r) > n {
		return strings.TrimSpace(string(r[:n-1])) + "…"
	}
	return s
}
