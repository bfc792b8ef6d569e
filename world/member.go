package world

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // mails in other charsets
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"colporteur/accounts"
	cmail "colporteur/mail"
)

// Member is somebody with an account, and the mail program they use.
type Member struct {
	Server   *Server
	Address  string
	Password string
	Account  accounts.Member
}

// Member adds a member; lang is "fr" when not given.
func (s *Server) Member(name string, lang ...string) *Member {
	t := s.World.T
	t.Helper()
	l := "fr"
	if len(lang) > 0 {
		l = lang[0]
	}
	m := &Member{Server: s, Address: name + "@" + s.Domain, Password: "the password of " + name}
	var err error
	m.Account, err = s.Accounts.AddMember(t.Context(), accounts.NewMember{Address: cmail.MustAddress(m.Address), Name: strings.ToUpper(name[:1]) + name[1:], Lang: l, Password: m.Password})
	if err != nil {
		t.Fatalf("add %s: %v", m.Address, err)
	}
	return m
}

// Draft is a mail being written.
type Draft struct {
	To, Cc, Bcc []string
	Subject     string
	Text        string
	Header      []string
	Files       []File
}

// File is an attachment.
type File struct {
	Name, Type string
	Body       []byte
}

// Option changes a Draft.
type Option func(*Draft)

func Subject(s string) Option { return func(d *Draft) { d.Subject = s } }
func Text(s string) Option    { return func(d *Draft) { d.Text = s } }
func Bcc(a string) Option     { return func(d *Draft) { d.Bcc = append(d.Bcc, a) } }
func Cc(who ...any) Option {
	return func(d *Draft) {
		for _, w := range who {
			if m, ok := w.(*Member); ok {
				d.Cc = append(d.Cc, m.Address)
			} else {
				d.Cc = append(d.Cc, w.(string))
			}
		}
	}
}

// Attach adds a file.
func Attach(name, mediaType string, body []byte) Option {
	return func(d *Draft) { d.Files = append(d.Files, File{name, mediaType, body}) }
}

// Photo adds a picture from a path.
func Photo(path string) Option {
	return func(d *Draft) {
		b, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		d.Files = append(d.Files, File{path[strings.LastIndex(path, "/")+1:], "image/jpeg", b})
	}
}

// Message is the draft as a mail program writes it.
func (d *Draft) Message(from string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\r\nTo: %s\r\n", from, strings.Join(d.To, ", "))
	if len(d.Cc) > 0 {
		fmt.Fprintf(&b, "Cc: %s\r\n", strings.Join(d.Cc, ", "))
	}
	if len(d.Bcc) > 0 {
		fmt.Fprintf(&b, "Bcc: %s\r\n", strings.Join(d.Bcc, ", "))
	}
	for _, h := range d.Header {
		fmt.Fprintf(&b, "%s\r\n", h)
	}
	fmt.Fprintf(&b, "Subject: %s\r\nMIME-Version: 1.0\r\n", d.Subject)
	text := func() {
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
		q := quotedprintable.NewWriter(&b)
		io.WriteString(q, d.Text)
		q.Close()
	}
	if len(d.Files) == 0 {
		text()
		b.WriteString("\r\n")
		return b.Bytes()
	}
	b.WriteString("Content-Type: multipart/mixed; boundary=world\r\n\r\n--world\r\n")
	text()
	for _, f := range d.Files {
		fmt.Fprintf(&b, "\r\n--world\r\nContent-Type: %s\r\nContent-Disposition: attachment; filename=%q\r\nContent-Transfer-Encoding: base64\r\n\r\n", f.Type, f.Name)
		s := base64.StdEncoding.EncodeToString(f.Body)
		for len(s) > 76 {
			b.WriteString(s[:76] + "\r\n")
			s = s[76:]
		}
		b.WriteString(s)
	}
	b.WriteString("\r\n--world--\r\n")
	return b.Bytes()
}

// Send submits a mail to an address, and fails the test when it is refused.
func (m *Member) Send(to string, options ...Option) {
	m.Server.World.T.Helper()
	if err := m.TrySend(to, options...); err != nil {
		m.Server.World.T.Fatalf("%s to %s: %v", m.Address, to, err)
	}
}

// TrySend is Send that returns the refusal.
func (m *Member) TrySend(to string, options ...Option) error {
	d := &Draft{To: []string{to}, Subject: "Bonjour", Text: "Un mot.\r\n"}
	for _, o := range options {
		o(d)
	}
	all := append(append(append([]string{}, d.To...), d.Cc...), d.Bcc...)
	return m.Submit(all, d.Message(m.Address))
}

// Submit sends raw bytes as the member.
func (m *Member) Submit(to []string, raw []byte) error {
	c, err := smtp.Dial(m.Server.Addr("submission"))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", m.Address, m.Password)); err != nil {
		return err
	}
	if err := c.SendMail(m.Address, to, bytes.NewReader(raw)); err != nil {
		return err
	}
	return c.Quit()
}

// FromOutside sends raw bytes to the server's MX as a stranger.
func (s *Server) FromOutside(from string, to []string, raw []byte) error {
	c, err := smtp.Dial(s.Addr("mx"))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello("stranger.test"); err != nil {
		return err
	}
	if err := c.SendMail(from, to, bytes.NewReader(raw)); err != nil {
		return err
	}
	return c.Quit()
}

// IMAP signs in.
func (m *Member) IMAP() *imapclient.Client {
	t := m.Server.World.T
	t.Helper()
	c, err := imapclient.DialInsecure(m.Server.Addr("imap"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(m.Address, m.Password).Wait(); err != nil {
		t.Fatalf("%s: login: %v", m.Address, err)
	}
	return c
}

// Inbox reads the member's INBOX over IMAP.
func (m *Member) Inbox() Mails { return m.Folder("INBOX") }

// Folder reads a mailbox over IMAP.
func (m *Member) Folder(name string) Mails {
	t := m.Server.World.T
	t.Helper()
	c := m.IMAP()
	defer c.Close()
	sel, err := c.Select(name, nil).Wait()
	if err != nil {
		t.Fatalf("select %s: %v", name, err)
	}
	box := Mails{t: t, who: m.Address + " " + name}
	if sel.NumMessages == 0 {
		return box
	}
	var all imap.SeqSet
	all.AddRange(1, sel.NumMessages)
	section := &imap.FetchItemBodySection{Peek: true}
	msgs, err := c.Fetch(all, &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}, UID: true}).Collect()
	if err != nil {
		t.Fatalf("fetch %s: %v", name, err)
	}
	for _, f := range msgs {
		box.All = append(box.All, parse(t, f.FindBodySection(section)))
	}
	return box
}

// Mails is what is in a mailbox.
type Mails struct {
	t   testing.TB
	who string
	All []*Mail
}

// One is the only mail there is.
func (b Mails) One() *Mail {
	b.t.Helper()
	if len(b.All) != 1 {
		var subjects []string
		for _, m := range b.All {
			subjects = append(subjects, m.Subject)
		}
		b.t.Fatalf("%s holds %d mails, want one: %q", b.who, len(b.All), subjects)
	}
	return b.All[0]
}

// Last is the newest.
func (b Mails) Last() *Mail {
	b.t.Helper()
	if len(b.All) == 0 {
		b.t.Fatalf("%s is empty", b.who)
	}
	return b.All[len(b.All)-1]
}

// Empty fails the test when there is a mail.
func (b Mails) Empty() {
	b.t.Helper()
	if len(b.All) > 0 {
		b.t.Fatalf("%s holds %d mails, want none; the first: %q", b.who, len(b.All), b.All[0].Subject)
	}
}

// Mail is a received mail.
type Mail struct {
	t       testing.TB
	Raw     string
	Header  mail.Header
	Subject string
	Text    string // of the first text/plain part
	HTML    string
	Files   []File
}

func parse(t testing.TB, raw []byte) *Mail {
	t.Helper()
	m := &Mail{t: t, Raw: string(raw)}
	nm, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("a mail that cannot be read: %v\n%s", err, raw)
	}
	m.Header = nm.Header
	e, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("a mail that cannot be read: %v\n%s", err, raw)
	}
	m.Subject, _ = e.Header.Text("Subject")
	e.Walk(func(_ []int, e *message.Entity, err error) error {
		if err != nil {
			t.Fatalf("part: %v", err)
		}
		mt, p, _ := e.Header.ContentType()
		if strings.HasPrefix(mt, "multipart/") {
			return nil
		}
		b, err := io.ReadAll(e.Body)
		if err != nil {
			t.Fatalf("part %s: %v", mt, err)
		}
		disp, dp, _ := e.Header.ContentDisposition()
		switch {
		case disp == "attachment" || dp["filename"] != "" || p["name"] != "":
			m.Files = append(m.Files, File{dp["filename"], mt, b})
		case mt == "text/plain" && m.Text == "":
			m.Text = string(b)
		case mt == "text/html" && m.HTML == "":
			m.HTML = string(b)
		default:
			m.Files = append(m.Files, File{"", mt, b})
		}
		return nil
	})
	return m
}

var links = regexp.MustCompile(`https?://[^\s<>"]+/[ta]/[a-z2-7]{20,}`)

// Links are the share links in a text.
func Links(text string) []string { return links.FindAllString(text, -1) }

// Link is the first share link in the mail.
func (m *Mail) Link() string {
	m.t.Helper()
	l := links.FindString(m.Text)
	if l == "" {
		m.t.Fatalf("no link in %q:\n%s", m.Subject, m.Text)
	}
	return l
}

// Says fails the test when the text lacks one of the words.
func (m *Mail) Says(words ...string) *Mail {
	m.t.Helper()
	for _, w := range words {
		if !strings.Contains(m.Text, w) {
			m.t.Errorf("%q does not say %q:\n%s", m.Subject, w, m.Text)
		}
	}
	return m
}

// SaysNot is the opposite.
func (m *Mail) SaysNot(words ...string) *Mail {
	m.t.Helper()
	for _, w := range words {
		if strings.Contains(m.Raw, w) {
			m.t.Errorf("%q says %q:\n%s", m.Subject, w, m.Raw)
		}
	}
	return m
}

// ReplyTo is the address an answer goes to.
func (m *Mail) ReplyTo() string {
	m.t.Helper()
	for _, f := range []string{"Reply-To", "From"} {
		if l, err := m.Header.AddressList(f); err == nil && len(l) > 0 {
			return l[0].Address
		}
	}
	m.t.Fatalf("nobody to answer in %q", m.Subject)
	return ""
}

// Quota gives the member so many bytes.
func (m *Member) Quota(n int64) {
	t := m.Server.World.T
	t.Helper()
	if _, err := m.Server.Accounts.Update(t.Context(), m.Account.ID, accounts.Update{Quota: &n}); err != nil {
		t.Fatal(err)
	}
}
