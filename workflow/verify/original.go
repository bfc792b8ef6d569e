package verify

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	"colporteur/dkim"
	"colporteur/dkim/authres"
	"colporteur/mail"
	"colporteur/workflow"
)

// What is looked at of one mail, at most. Its signatures are checked over all of
// it, as it streams past.
const (
	maxKept    = 4 << 20
	maxWhole   = 256 << 20
	maxHeading = 256 << 10
	maxFolders = 500
	maxFound   = 20
)

// original is the mail that is doubted.
type original struct {
	sum    *mail.Summary
	kept   []byte // the mail's beginning, where offsets of sum point; nil: only html is known
	html   string // of a mail that was forwarded in another one's text
	inline bool   // we have words somebody copied, and not the mail

	signed  []mail.DKIMResult // checked again now
	checked bool              // signed was found out

	email   int64 // in the member's mailbox; 0: it is not there
	came    time.Time
	verdict *mail.Verdict // ours, when it came; nil: nobody judged it
	member  string        // who signed in to send it
}

// original finds the mail that in is about; nil when there is none.
func (s *Service) original(ctx context.Context, in *workflow.Inbound) (*original, error) {
	for _, f := range in.Files() {
		if f.Type != "message/rfc822" && f.Type != "message/global" && !strings.EqualFold(path.Ext(f.Name), ".eml") {
			continue
		}
		r, err := in.Open(ctx, f)
		if err != nil {
			return nil, err
		}
		o, err := s.read(ctx, r)
		r.Close()
		if err != nil {
			return nil, err
		}
		have, err := s.copies(ctx, in.Sender.Account, o.sum)
		if err != nil {
			return nil, err
		}
		for _, h := range have {
			if o.email == 0 || worse(h, o) {
				o.email, o.came, o.verdict, o.member = h.email, h.came, h.verdict, h.member
			}
		}
		return o, nil
	}
	// Mail programs say what they forward in the fields of a reply.
	ids := append([]string(nil), in.Summary.InReplyTo...)
	if n := len(in.Summary.References); n > 0 {
		ids = append(ids, in.Summary.References[n-1])
	}
	for _, id := range ids[:min(len(ids), 3)] {
		have, err := s.byID(ctx, in.Sender.Account, id)
		if err != nil {
			return nil, err
		}
		var o *original
		for _, h := range have {
			if o == nil || worse(h, o) {
				o = h
			}
		}
		if o != nil {
			return o, nil
		}
	}
	return copied(ctx, in)
}

// read reads a mail that is attached, and checks its signatures.
func (s *Service) read(ctx context.Context, r io.Reader) (*original, error) {
	b := bufio.NewReaderSize(io.LimitReader(r, maxWhole), maxHeading)
	head, err := b.Peek(maxHeading)
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return nil, err
	}
	o, scan := &original{}, &mail.Scanner{}
	kept := &beginning{}
	to := []io.Writer{scan, kept}
	var checking *dkim.Verification
	if s.DNS != nil {
		checking = (&dkim.Verifier{DNS: s.DNS, Now: s.Now}).Begin(ctx, head)
		to = append(to, checking)
	}
	if _, err := io.Copy(io.MultiWriter(to...), b); err != nil {
		return nil, err
	}
	if o.sum, _, err = scan.Close(); err != nil {
		return nil, err
	}
	if o.kept = kept.b.Bytes(); checking != nil {
		o.signed, o.checked = checking.Results(), true
	}
	return o, nil
}

// beginning keeps the first maxKept octets of what is written to it.
type beginning struct{ b bytes.Buffer }

func (k *beginning) Write(p []byte) (int, error) {
	k.b.Write(p[:min(len(p), maxKept-k.b.Len())])
	return len(p), nil
}

// same says that a mail is the one that a member has, as far as what a reader sees
// and the sizes of its parts tell. One that came without a date is listed by the
// time it came.
func same(a, b *mail.Summary) bool {
	return a.MessageID == b.MessageID && a.Subject == b.Subject && (a.Date.IsZero() || a.Date.Unix() == b.Date.Unix()) && len(a.From) == 1 && len(b.From) == 1 && a.From[0] == b.From[0] &&
		alike(a.Root, b.Root)
}

func alike(a, b *mail.Part) bool {
	if a == nil || b == nil || a.Type != b.Type || a.Size != b.Size || len(a.Children) != len(b.Children) {
		return a == b
	}
	for i := range a.Children {
		if !alike(a.Children[i], b.Children[i]) {
			return false
		}
	}
	return true
}

func worse(a, b *original) bool { return worst([]sign{a.origin()}) > worst([]sign{b.origin()}) }

// copiedFrom is the line that mail programs put above the words they forward.
var (
	copiedFrom = regexp.MustCompile(`(?mi)^[>\s*]*(?:De|From|Von|Da|Expéditeur)\s*\*?\s*:\s*\*?\s*(.{1,300})$`)
	address    = regexp.MustCompile(`[^\s<>"'(),;:\[\]]{1,64}@[^\s<>"'(),;:\[\]]{1,255}`)
)

// copied is a mail whose words stand in another one. Who copied them may have
// changed them, and they prove nothing.
func copied(ctx context.Context, in *workflow.Inbound) (*original, error) {
	text, err := in.Source(ctx, "text/plain")
	if err != nil {
		return nil, err
	}
	html, err := in.Source(ctx, "text/html")
	if err != nil {
		return nil, err
	}
	if text == "" {
		if text, err = in.Text(ctx, 20_000); err != nil {
			return nil, err
		}
	}
	line := copiedFrom.FindStringSubmatch(strings.ReplaceAll(text, "\r", ""))
	if line == nil {
		return nil, nil
	}
	all := address.FindAllStringIndex(line[1], 10)
	if len(all) == 0 {
		return nil, nil
	}
	at := all[len(all)-1] // a name before it may show another
	from := mail.Mailbox{Name: strings.Trim(line[1][:at[0]], " \"'<[*\t"), Addr: strings.TrimRight(line[1][at[0]:at[1]], ".*")}
	return &original{inline: true, html: html, sum: &mail.Summary{Subject: in.Subject(), From: []mail.Mailbox{from}, Root: in.Summary.Root}}, nil
}

// body is what is kept of a part, decoded; "" when nothing is.
func (o *original) body(p *mail.Part) string {
	if p.BodyOffset < 0 || p.BodyOffset >= int64(len(o.kept)) || p.Size <= 0 {
		return ""
	}
	raw := o.kept[p.BodyOffset:min(int64(len(o.kept)), p.BodyOffset+p.Size)]
	b, _ := io.ReadAll(io.LimitReader(mail.DecodeBody(p.Encoding, bytes.NewReader(raw)), maxKept))
	return string(b)
}

// origin is what is known of where a mail comes from.
func (o *original) origin() sign {
	if o.email != 0 {
		b := authres.BadgeOf(o.verdict, o.member)
		level := Caution
		switch b.Level {
		case authres.Member, authres.Proven, authres.Forwarded:
			level = Fine
		case authres.Fake:
			level = Danger
		}
		return sign{level, b.Detail}
	}
	if o.inline {
		return say(Caution, "verify-inline")
	}
	if len(o.sum.From) != 1 {
		return say(Danger, "verify-several")
	}
	if !o.checked {
		return say(Caution, "verify-unknown")
	}
	from := domainOf(o.sum.From[0].Addr)
	broken := false
	for _, r := range o.signed {
		if r.Result == mail.Pass && !r.Partial && from != "" && related(r.Domain, from) {
			return say(Fine, "verify-signed", "Domain", from)
		}
		broken = broken || r.Result == mail.Fail && related(r.Domain, from)
	}
	if broken {
		return say(Caution, "verify-broken", "Domain", from)
	}
	return say(Caution, "verify-unsigned", "Domain", from)
}
