package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/textproto"
	"os"
	"path/filepath"
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
	size, err := s.size(from)
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
	if err := s.compose(w, from, true); err != nil {
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
func (s sendCommand) size(from mail.Address) (int64, error) {
	var n counter
	if err := s.compose(&n, from, false); err != nil {
		return 0, err
	}
	for _, f := range s.Files {
		info, err := os.Stat(f)
		if err != nil {
			return 0, err
		}
		encoded := (info.Size() + 2) / 3 * 4
		n += counter(encoded + (encoded+75)/76*2)
	}
	return int64(n), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func (s sendCommand) compose(w io.Writer, from mail.Address, whole bool) error {
	subject := s.Subject
	if subject == "" && len(s.Files) > 0 {
		subject = filepath.Base(s.Files[0])
	}
	id := make([]byte, 12)
	rand.Read(id)
	m := multipart.NewWriter(w)
	var head bytes.Buffer
	for _, f := range [][2]string{
		{"From", "<" + from.String() + ">"},
		{"To", bracketed(s.To)},
		{"Cc", bracketed(s.Cc)},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", time.Now().Format(time.RFC1123Z)},
		{"Message-ID", "<" + hex.EncodeToString(id) + "@" + from.Domain + ">"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "multipart/mixed; boundary=" + m.Boundary()},
	} {
		if f[1] != "" {
			head.WriteString(f[0] + ": " + f[1] + "\r\n")
		}
	}
	head.WriteString("\r\n")
	if _, err := w.Write(head.Bytes()); err != nil {
		return err
	}
	part, err := m.CreatePart(textproto.MIMEHeader{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Transfer-Encoding": {"base64"}})
	if err != nil {
		return err
	}
	if err := encode(part, strings.NewReader(s.Text+"\r\n")); err != nil {
		return err
	}
	for _, path := range s.Files {
		kind := mime.TypeByExtension(filepath.Ext(path))
		if kind == "" {
			kind = "application/octet-stream"
		}
		part, err := m.CreatePart(textproto.MIMEHeader{"Content-Type": {kind}, "Content-Transfer-Encoding": {"base64"},
			"Content-Disposition": {mime.FormatMediaType("attachment", map[string]string{"filename": filepath.Base(path)})}})
		if err != nil {
			return err
		}
		if !whole {
			continue
		}
		if err := attach(part, path); err != nil {
			return err
		}
	}
	return m.Close()
}

func bracketed(addresses []string) string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = "<" + a + ">"
	}
	return strings.Join(out, ", ")
}

func attach(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return encode(w, f)
}

// encode writes base64 in lines of 76 (RFC 2045 §6.8), a few hundred at a time.
func encode(w io.Writer, r io.Reader) error {
	const lines = 512
	in := make([]byte, 57*lines)
	out := make([]byte, 0, 78*lines)
	for {
		n, err := io.ReadFull(r, in)
		out = out[:0]
		for at := 0; at < n; at += 57 {
			out = base64.StdEncoding.AppendEncode(out, in[at:min(at+57, n)])
			out = append(out, "\r\n"...)
		}
		if _, werr := w.Write(out); werr != nil {
			return werr
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
