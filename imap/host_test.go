package imap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/storetest"

	"github.com/emersion/go-imap/v2/imapclient"
)

// host is a server with a real store and two members, ann and bob, whose
// passwords are "secret".
type host struct {
	*Server
	t     testing.TB
	addr  string
	tls   string // address of the listener with implicit TLS
	roots *x509.CertPool
	files *files
	end   func() // stops the servers and waits
}

type people map[string]mail.User

func (p people) Login(_ context.Context, name, password string, _ mail.Client) (mail.User, error) {
	u, ok := p[strings.ToLower(name)]
	if !ok || password != "secret" {
		return mail.User{}, mail.Refuse(mail.AuthFailed, "kind-auth-failed")
	}
	return u, nil
}

// files is a small Appender: what delivery does, without its rules.
type files struct {
	db        *store.DB
	blobs     *blob.Store
	messages  *message.Store
	mailboxes *mailbox.Store
	prefix    string
	fail      error // set before use
}

func (f *files) File(ctx context.Context, u mail.User, to mailbox.Mailbox, next func() (*mailbox.Upload, error), old *mailbox.Spot) (placed []mailbox.Placed, err error) {
	if f.fail != nil {
		return nil, f.fail
	}
	var drafts []*message.Draft
	var mails []*mailbox.Incoming
	for {
		up, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		d, in, err := f.spool(ctx, up)
		if err != nil {
			return nil, err
		}
		drafts, mails = append(drafts, d), append(mails, in)
	}
	err = f.db.Write(ctx, func(tx *store.Tx) error {
		placed = nil
		for i, d := range drafts {
			if err := f.messages.Insert(ctx, tx, d); err != nil {
				return err
			}
			mails[i].Message = d.ID
			var p mailbox.Placed
			var err error
			if old == nil {
				p, err = f.mailboxes.Append(ctx, tx, to.Account, to.ID, mails[i])
			} else {
				p, err = f.mailboxes.Replace(ctx, tx, to.Account, to.ID, mails[i], *old)
			}
			if err != nil {
				return err
			}
			placed = append(placed, p)
		}
		return nil
	})
	return placed, err
}

func (f *files) spool(ctx context.Context, up *mailbox.Upload) (*message.Draft, *mailbox.Incoming, error) {
	w := f.blobs.Create()
	defer w.Abort()
	var scan mail.Scanner
	n, err := io.Copy(io.MultiWriter(w, &scan), up.Body)
	if err != nil {
		return nil, nil, err
	}
	if up.Size >= 0 && n != up.Size {
		return nil, nil, io.ErrUnexpectedEOF
	}
	sum, words, err := scan.Close()
	if err != nil {
		return nil, nil, err
	}
	ref, err := w.Commit(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &message.Draft{Size: n, Segments: []message.Segment{{Blob: ref.ID, Length: n}}, Refs: []blob.Ref{ref}, Summary: sum},
		&mailbox.Incoming{Size: n, Summary: sum, Words: mailbox.Sign(sum, words), Prefix: []byte(f.prefix), Flags: up.Flags, Date: up.Date}, nil
}

// Append files one mail.
func (f *files) Append(ctx context.Context, u mail.User, box mailbox.ID, flags []string, date time.Time, r io.Reader, size int64) (mailbox.Placed, error) {
	to, err := f.mailboxes.ByID(ctx, box) // it may be in another account than u's
	if err != nil {
		return mailbox.Placed{}, err
	}
	once := &mailbox.Upload{Flags: flags, Date: date, Size: size, Body: r}
	at, err := f.File(ctx, u, to, func() (up *mailbox.Upload, err error) {
		if up, once = once, nil; up == nil {
			err = io.EOF
		}
		return up, err
	}, nil)
	if err != nil {
		return mailbox.Placed{}, err
	}
	return at[0], nil
}

func newHost(t testing.TB, change ...func(*Server)) *host {
	t.Helper()
	ctx := t.Context()
	dir := t.TempDir()
	db := storetest.SQLite(t)
	blobs := &blob.Store{DB: db, Dir: filepath.Join(dir, "blobs"), Master: bytes.Repeat([]byte{7}, 32)}
	messages := &message.Store{DB: db, Blobs: blobs}
	boxes := &mailbox.Store{DB: db, Messages: messages, People: neighbours{}}
	ann := mail.User{ID: 1, Account: 11, Address: mail.MustAddress("ann@home.test"), Lang: "en"}
	bob := mail.User{ID: 2, Account: 12, Address: mail.MustAddress("bob@home.test"), Lang: "fr"}
	err := db.Write(ctx, func(tx *store.Tx) error {
		return errors.Join(boxes.CreateAccount(ctx, tx, ann.Account, "en"), boxes.CreateAccount(ctx, tx, bob.Account, "fr"),
			boxes.CreateGroup(ctx, tx, clubAccount, "en"))
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, roots := testTLS(t)
	h := &host{
		t: t, roots: roots,
		files: &files{db: db, blobs: blobs, messages: messages, mailboxes: boxes},
	}
	h.Server = &Server{
		Mailboxes:        boxes,
		Accounts:         people{"ann@home.test": ann, "bob@home.test": bob},
		Appender:         h.files,
		Hostname:         "mail.home.test",
		TLS:              cfg,
		InsecureAuthFrom: netip.Addr.IsLoopback,
		Grace:            2 * time.Second,
		FailDelay:        -1,
	}
	for _, f := range change {
		f(h.Server)
	}
	serve, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	listen := func(implicit bool) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := h.Serve(serve, ln, implicit); err != nil {
				t.Error(err)
			}
		})
		return ln.Addr().String()
	}
	h.addr, h.tls = listen(false), listen(true)
	h.end = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(h.end)
	return h
}

func testTLS(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.home.test"}, DNSNames: []string{"mail.home.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

// client is imapclient, signed in.
func (h *host) client(name string, options *imapclient.Options) *imapclient.Client {
	h.t.Helper()
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	c := imapclient.New(nc, options)
	h.t.Cleanup(func() { c.Close() })
	if err := c.Login(name+"@home.test", "secret").Wait(); err != nil {
		h.t.Fatal(err)
	}
	return c
}

// raw is a connection that speaks line by line.
type raw struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
	n  int
}

func (h *host) dial() *raw {
	h.t.Helper()
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { nc.Close() })
	return talk(h.t, nc)
}

func talk(t testing.TB, nc net.Conn) *raw {
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{Conn: nc, t: t, br: bufio.NewReader(nc)}
}

// login is dial and LOGIN.
func (h *host) login(name string) *raw {
	h.t.Helper()
	c := h.dial()
	c.line()
	c.ok("LOGIN " + name + "@home.test secret")
	return c
}

func (c *raw) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *raw) line() string {
	c.t.Helper()
	s, err := c.br.ReadString('\n')
	if err != nil {
		c.t.Fatalf("read after %q: %v", s, err)
	}
	return strings.TrimRight(s, "\r\n")
}

// rest is everything until the server closes.
func (c *raw) rest() string {
	c.t.Helper()
	b, err := io.ReadAll(c.br)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		c.t.Fatalf("the server does not close; it said %q", b)
	}
	return string(b)
}

// do sends a command and returns the untagged lines and the tagged one.
func (c *raw) do(cmd string) (untagged []string, tagged string) {
	c.t.Helper()
	c.n++
	tag := fmt.Sprintf("t%d", c.n)
	c.send(tag + " " + cmd + "\r\n")
	for {
		l := c.line()
		if rest, ok := strings.CutPrefix(l, tag+" "); ok {
			return untagged, rest
		}
		untagged = append(untagged, l)
	}
}

func (c *raw) ok(cmd string) []string {
	c.t.Helper()
	u, tagged := c.do(cmd)
	if !strings.HasPrefix(tagged, "OK") {
		c.t.Fatalf("%s: %s", cmd, tagged)
	}
	return u
}

// append uploads msg to box.
func (c *raw) append(box, flags, msg string) {
	c.t.Helper()
	msg = strings.ReplaceAll(strings.ReplaceAll(msg, "\r\n", "\n"), "\n", "\r\n")
	c.ok(fmt.Sprintf("APPEND %s (%s) {%d+}\r\n%s", box, flags, len(msg), msg))
}
