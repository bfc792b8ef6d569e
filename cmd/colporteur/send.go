package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"colporteur/config"
	"colporteur/mail"

	"github.com/emersion/go-sasl"
	smtp "github.com/emersion/go-smtp"
)

type sendCommand struct {
	From          string   `required:"" help:"The member who sends." placeholder:"ADDRESS"`
	To            []string `required:"" help:"Recipients." placeholder:"ADDRESS"`
	Cc            []string `help:"More recipients." placeholder:"ADDRESS"`
	Subject       string   `help:"Subject; the first file's name if not given."`
	Text          string   `help:"A few words."`
	PasswordStdin bool     `help:"Read the member's password from standard input; a demo knows those of its members."`
	Files         []string `arg:"" optional:"" name:"FILE" type:"existingfile"`
}

// Run composes one mail and submits it as any mail program would: nothing of
// it is known here but the address of the submission listener.
func (s sendCommand) Run(c *cli) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	from, err := mail.ParseAddress(s.From)
	if err != nil {
		return err
	}
	password, err := c.password(s.PasswordStdin)
	if err != nil {
		return err
	}
	if password == "" {
		if password = readNotes(cfg.Data)[from.Key()]; password == "" {
			return usage("--password-stdin is missing: only a demo's members need none")
		}
	}
	client, err := s.connect(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Auth(sasl.NewPlainClient("", from.String(), password)); err != nil {
		return fmt.Errorf("signing in as %s: %w", from, err)
	}
	m := s.compose(from)
	size, err := s.size(m)
	if err != nil {
		return err
	}
	if err := client.Mail(from.String(), &smtp.MailOptions{Size: size}); err != nil {
		return err
	}
	for _, to := range append(append([]string(nil), s.To...), s.Cc...) {
		if err := client.Rcpt(to, nil); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	// Not closed before it is whole: closing sends the final dot.
	if _, err := m.WriteTo(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	c.printf("Sent to %s.\n", strings.Join(append(s.To, s.Cc...), ", "))
	return client.Quit()
}

// connect finds the submission listener of a host on this machine.
func (s sendCommand) connect(cfg *config.Config) (*smtp.Client, error) {
	trust := &tls.Config{ServerName: cfg.Hostname}
	if b, err := os.ReadFile(filepath.Join(cfg.Data, "ca.pem")); err == nil && cfg.TLS.Mode == config.SelfSigned {
		trust.RootCAs = x509.NewCertPool()
		trust.RootCAs.AppendCertsFromPEM(b)
	}
	var client *smtp.Client
	var err error
	switch {
	case len(cfg.SMTP.Submissions) > 0:
		client, err = smtp.DialTLS(local(cfg.SMTP.Submissions[0]), trust)
	case len(cfg.SMTP.Submission) > 0:
		client, err = smtp.DialStartTLS(local(cfg.SMTP.Submission[0]), trust)
	default:
		return nil, refused{"this host takes no mail from members: smtp.submission and smtp.submissions are empty"}
	}
	if err != nil {
		return nil, fmt.Errorf("the server cannot be reached: %w; start it with `colporteur serve`", err)
	}
	client.SubmissionTimeout = time.Hour // a large file on a slow disk takes a while after the final dot
	return client, nil
}

// size composes the mail without its files to learn how long it will be.
func (s sendCommand) size(m *mail.Compose) (int64, error) {
	bare := *m
	bare.Attachments = slices.Clone(m.Attachments)
	for i := range bare.Attachments {
		bare.Attachments[i].Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
	}
	n, err := bare.WriteTo(io.Discard)
	if err != nil {
		return 0, err
	}
	for _, f := range s.Files {
		info, err := os.Stat(f)
		if err != nil {
			return 0, err
		}
		if encoded := (info.Size() + 2) / 3 * 4; encoded > 0 {
			n += encoded + (encoded-1)/76*2 // lines end, but for the last
		}
	}
	return n, nil
}

func (s sendCommand) compose(from mail.Address) *mail.Compose {
	id := make([]byte, 12)
	rand.Read(id)
	m := &mail.Compose{
		From:      mail.Mailbox{Addr: from.String()},
		To:        mailboxes(s.To),
		Cc:        mailboxes(s.Cc),
		Subject:   s.Subject,
		MessageID: hex.EncodeToString(id) + "@" + from.Domain,
		Date:      time.Now(),
		Text:      s.Text + "\n",
	}
	if m.Subject == "" && len(s.Files) > 0 {
		m.Subject = filepath.Base(s.Files[0])
	}
	for _, path := range s.Files {
		m.Attachments = append(m.Attachments, mail.Attachment{
			Name: filepath.Base(path),
			Type: mime.TypeByExtension(filepath.Ext(path)),
			Open: func() (io.ReadCloser, error) { return os.Open(path) },
		})
	}
	return m
}

func mailboxes(addresses []string) []mail.Mailbox {
	var all []mail.Mailbox
	for _, a := range addresses {
		all = append(all, mail.Mailbox{Addr: a})
	}
	return all
}
