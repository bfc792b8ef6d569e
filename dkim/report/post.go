package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"

	"colporteur/locale"
	"colporteur/mail"
)

func (s *Sender) dated(t *task) dated {
	contact := s.Contact
	if contact == "" {
		contact = "postmaster@" + t.from
	}
	return dated{Receiver: t.from, Contact: contact, owed: t.owed}
}

// has says whether a destination has got the report already.
func (t *task) has(destination string) bool {
	return strings.Contains("\n"+t.sent, "\n"+destination+"\n")
}

// aggregate makes and mails the DMARC report of one domain and day.
func (s *Sender) aggregate(ctx context.Context, t *task) (sent int, later, err error) {
	var policy mail.DMARCPolicy
	if err := json.Unmarshal([]byte(t.policy), &policy); err != nil {
		return 0, nil, nil // not one of ours
	}
	to, later := s.permitted(ctx, t.domain, policy.Reports)
	if len(to) == 0 {
		return 0, later, nil
	}
	all, err := rows[seen](ctx, s.DB, t)
	if err != nil || len(all) == 0 {
		return 0, later, err
	}
	d := s.dated(t)
	data, err := d.aggregate(&policy, all, t.lost)
	if err != nil {
		return 0, later, err
	}
	for _, dest := range to {
		addr := dest.addr.String()
		if t.has(addr) {
			continue
		}
		var b bytes.Buffer
		if _, err := s.aggregateMail(d, addr, data).WriteTo(&b); err != nil {
			return sent, later, err
		}
		if dest.max > 0 && int64(b.Len()) > dest.max {
			continue // RFC 9990, Transport: then it must not be used
		}
		if err := s.mail(ctx, d, kindDMARC, dest.addr, &b); err != nil {
			later = err
			continue
		}
		sent++
		if err := s.note(ctx, t, addr); err != nil {
			return sent, later, err
		}
	}
	return sent, later, nil
}

func (s *Sender) aggregateMail(d dated, to string, data []byte) *mail.Compose {
	p := s.printer()
	return &mail.Compose{
		From: mail.Mailbox{Addr: "dmarc-reports@" + d.Receiver}, To: []mail.Mailbox{{Addr: to}},
		Subject: d.subject(kindDMARC), MessageID: d.id(kindDMARC), Date: orNow(s.Now), Lang: p.Lang, Auto: "auto-generated",
		Text: p.T("report-mail-dmarc", "Domain", d.domain, "Receiver", d.Receiver, "Date", p.Date(d.begin()), "Contact", d.Contact),
		Attachments: []mail.Attachment{{Name: d.file("xml.gz"), Type: "application/gzip",
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}},
	}
}

func (s *Sender) printer() locale.Printer {
	if s.Lang == "" {
		return locale.For("en")
	}
	return locale.For(s.Lang)
}

// mail hands one to the Door, from nobody: that it cannot be delivered is no news.
func (s *Sender) mail(ctx context.Context, d dated, kind string, to mail.Address, r io.Reader) error {
	id := d.id(kind)
	env := &mail.Envelope{ID: "report-" + kind + "-" + digestHex(id+to.Key()), Origin: mail.FromSystem, Once: "report:" + id + ":" + to.Key(),
		To: []mail.Recipient{{Address: to, Notify: mail.NotifyNever}}, Client: mail.Client{Protocol: "LOCAL"}, Received: orNow(s.Now)}
	err := s.Door.Accept(ctx, env, r)
	if err != nil && !mail.KindOf(err).Temporary() {
		orDiscard(s.Log).InfoContext(ctx, "a report was refused", "kind", kind, "to", to.String(), "err", err)
		return nil
	}
	return err
}

// transport makes the TLS report of one domain and day, and mails or posts it.
func (s *Sender) transport(ctx context.Context, t *task) (sent int, later, err error) {
	to, err := s.tlsTargets(ctx, t.domain)
	if err != nil || len(to) == 0 {
		return 0, nil, err
	}
	all, err := rows[met](ctx, s.DB, t)
	if err != nil || len(all) == 0 {
		return 0, nil, err
	}
	d := s.dated(t)
	data, err := d.transport(all)
	if err != nil {
		return 0, nil, err
	}
	for _, uri := range to {
		if t.has(uri) {
			continue
		}
		scheme, _, _ := strings.Cut(uri, ":")
		var err error
		switch strings.ToLower(scheme) {
		case "mailto":
			target, ok := parseTarget(uri)
			if !ok {
				continue
			}
			var b []byte
			if b, err = s.transportMail(d, target.addr.String(), data); err == nil {
				err = s.mail(ctx, d, kindTLS, target.addr, bytes.NewReader(b))
			}
		case "https":
			err = s.post(ctx, uri, data)
			if errors.As(err, new(refusal)) {
				orDiscard(s.Log).InfoContext(ctx, "a report was refused", "kind", kindTLS, "to", t.domain, "err", err)
				continue
			}
		default:
			continue
		}
		if err != nil {
			later = err
			continue
		}
		sent++
		if err := s.note(ctx, t, uri); err != nil {
			return sent, later, err
		}
	}
	return sent, later, nil
}

// transportMail is the mail of RFC 8460 §5.3. It is put together here because
// no other report is packed in a part that is neither text nor a message.
func (s *Sender) transportMail(d dated, to string, data []byte) ([]byte, error) {
	p := s.printer()
	var b bytes.Buffer
	mark := "=_" + digestHex(d.id(kindTLS)) + digestHex(to)
	b.WriteString(mail.AddressField("From", mail.Mailbox{Addr: "tls-reports@" + d.Receiver}))
	b.WriteString(mail.AddressField("To", mail.Mailbox{Addr: to}))
	for _, f := range [][2]string{
		{"Subject", strings.NewReplacer(" Submitter:", "\r\n Submitter:", " Report-ID:", "\r\n Report-ID:").Replace(d.subject(kindTLS))},
		{"Date", orNow(s.Now).Format("Mon, 02 Jan 2006 15:04:05 -0700")},
		{"Message-ID", "<" + d.id(kindTLS) + ">"},
		{"Auto-Submitted", "auto-generated"},
		{"Content-Language", p.Lang},
		{"TLS-Report-Domain", d.domain},
		{"TLS-Report-Submitter", d.Receiver},
		{"TLS-Required", "No"}, // RFC 8460 §3: a report of broken TLS must get through it; RFC 8689 §5
		{"MIME-Version", "1.0"},
		{"Content-Type", "multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"" + mark + "\""},
	} {
		b.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	b.WriteString("\r\n--" + mark + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	q := quotedprintable.NewWriter(&b)
	text := p.T("report-mail-tls", "Domain", d.domain, "Receiver", d.Receiver, "Date", p.Date(d.begin()), "Contact", d.Contact)
	if _, err := io.WriteString(q, text); err != nil {
		return nil, err
	}
	if err := q.Close(); err != nil {
		return nil, err
	}
	name := d.file("json.gz")
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: application/tlsrpt+gzip;\r\n name=%q\r\nContent-Disposition: attachment;\r\n filename=%q\r\nContent-Transfer-Encoding: base64\r\n\r\n", mark, name, name)
	coded := base64.StdEncoding.EncodeToString(data)
	for len(coded) > 0 {
		n := min(len(coded), 76)
		b.WriteString(coded[:n] + "\r\n")
		coded = coded[n:]
	}
	b.WriteString("--" + mark + "--\r\n")
	return b.Bytes(), nil
}
