// Package workflowtest is a small house for tests of programs: a real store,
// queue and Door, one member, and a letter box that keeps what is sent out.
package workflowtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/textproto"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/album"
	"colporteur/workflow/ask"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/outgoing"
	"colporteur/workflow/picture"
	"colporteur/workflow/transfer"
	"colporteur/workflow/upload"
	"colporteur/workflow/verify"
	"colporteur/workflow/vouch"
)

// Ann is the member; home.test is the house's domain.
var Ann = mail.User{ID: 41, Account: 42, Address: mail.MustAddress("ann@home.test"), Name: "Ann Petit", Lang: "fr"}

// Bob is another member.
var Bob = mail.User{ID: 51, Account: 52, Address: mail.MustAddress("bob@home.test"), Name: "Bob", Lang: "en"}

// House is the house.
type House struct {
	tb        testing.TB
	DB        *store.DB
	Blobs     *blob.Store
	Messages  *message.Store
	Queue     *queue.Queue
	Door      *delivery.Door
	Links     *link.Service
	Post      *workflow.Post
	Mux       *workflow.Mux
	Notify    *notify.Service
	Transfers *transfer.Service
	Albums    *album.Service
	Outgoing  *outgoing.Service
	Questions *ask.Service
	Places    *upload.Service
	Verify    *verify.Service                                       // without mailboxes and DNS
	Pictures  string                                                // folder of picture.Maker
	Twice     bool                                                  // every program's job runs twice
	Program   func(ctx context.Context, in *workflow.Inbound) error // what help@ does; nil: the guide

	mu     sync.Mutex
	clock  time.Time
	sent   []Sent
	once   map[string]bool
	fail   error
	serial int
}

// Sent is a mail that left the house.
type Sent struct {
	To      mail.Address
	Env     mail.Envelope
	Header  netmail.Header
	Subject string
	Text    string
	HTML    string
	Raw     string
}

// New builds the house on db and runs its queue until the test ends.
func New(tb testing.TB, db *store.DB) *House {
	tb.Helper()
	h := &House{tb: tb, DB: db, clock: time.Date(2026, 11, 14, 10, 0, 0, 0, time.UTC), once: map[string]bool{}, Pictures: tb.TempDir()}
	log := slog.New(slog.NewTextHandler(writer{tb}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	h.Blobs = &blob.Store{DB: db, Dir: tb.TempDir(), Master: bytes.Repeat([]byte{1}, 32), Now: h.Now, Named: append([]string{`SELECT 1 FROM message WHERE blob = $1`, `SELECT 1 FROM segment WHERE blob = $1`}, workflow.BlobNamed...)}
	h.Messages = &message.Store{DB: db, Blobs: h.Blobs, Now: h.Now, Named: append([]string{`SELECT 1 FROM job WHERE message = $1`}, workflow.MessageNamed...)}
	h.Queue = &queue.Queue{DB: db, Now: h.Now, Log: log}
	h.Door = &delivery.Door{DB: db, Blobs: h.Blobs, Messages: h.Messages, Queue: h.Queue, Directory: h, Hostname: "mail.home.test", Now: h.Now}
	h.Links = &link.Service{DB: db, Key: bytes.Repeat([]byte{2}, 32), Now: h.Now}
	h.Post = &workflow.Post{Queue: h.Queue, Door: h, Links: h.Links, Hostname: "mail.home.test", Now: h.Now, Log: log,
		WebURL: func(kind string, t link.Token) string {
			return "https://mail.home.test/" + map[string]string{link.Transfer: "t", link.Album: "a", link.Hand: "d", link.Question: "c", link.Settings: "n"}[kind] + "/" + string(t)
		}}
	h.Notify = &notify.Service{DB: db, Links: h.Links, Post: h.Post, Zone: time.UTC, Key: bytes.Repeat([]byte{3}, 32), Now: h.Now, Log: log}
	h.Mux = &workflow.Mux{DB: db, Blobs: h.Blobs, Messages: h.Messages, Post: h.Post, Now: h.Now, Log: log}
	h.Transfers = &transfer.Service{DB: db, Blobs: h.Blobs, Messages: h.Messages, Links: h.Links, Post: h.Post, Notify: h.Notify, Now: h.Now}
	h.Albums = &album.Service{DB: db, Blobs: h.Blobs, Links: h.Links, Post: h.Post, Notify: h.Notify, Queue: h.Queue, Pictures: &picture.Maker{Dir: h.Pictures, Hurry: true}, Now: h.Now}
	h.Outgoing = &outgoing.Service{DB: db, Messages: h.Messages, Queue: h.Queue, Links: h.Links, Transfers: h.Transfers, Post: h.Post,
		Settings: &settings{answers: map[mail.UserID]string{}}, Limit: 2 << 20, Ordinary: 14 << 20, Now: h.Now, Log: log}
	h.Door.Lightener = h.Outgoing
	h.Questions = &ask.Service{DB: db, Links: h.Links, Post: h.Post, To: map[string]ask.Answered{outgoing.Question: h.Outgoing}, Now: h.Now, Log: log}
	h.Outgoing.Asker = h.Questions
	h.Places = &upload.Service{DB: db, Blobs: h.Blobs, Links: h.Links, Post: h.Post, Notify: h.Notify, Transfers: h.Transfers, Albums: h.Albums, Member: member, Now: h.Now, Log: log}
	h.Albums.Hand = func(ctx context.Context, tx *store.Tx, a album.ID, name string, owner mail.User) (link.Link, error) {
		return h.Places.HandInto(ctx, tx, owner, int64(a), name, owner.Address.Domain)
	}
	h.Verify = &verify.Service{DB: db, Hostname: "mail.home.test", Now: h.Now, Log: log}
	doubts := &vouch.Service{DB: db, Links: h.Links, Mux: h.Mux, Asker: h.Questions, Now: h.Now, Log: log}
	h.Questions.To[vouch.Question] = doubts
	replies := &workflow.Replies{Links: h.Links, Doubts: doubts, To: map[string]workflow.Commanded{link.Transfer: h.Transfers, link.Album: h.Albums, link.Question: h.Questions, link.Settings: h.Notify, link.Hand: h.Places}}
	for pattern, p := range map[string]workflow.Processor{"envoi": h.Transfers, "envoi+{days}": h.Transfers, "send": h.Transfers, "send+{days}": h.Transfers,
		"album+{name}": h.Albums, "album-{name}": h.Albums, "aide": &workflow.Guide{}, "help": h, "r.{token}": replies,
		"depot": h.Places, "collect": h.Places, "verifier": h.Verify, "check": h.Verify} {
		h.Mux.Handle(pattern, p)
	}
	h.Queue.Handle(delivery.JobProgram, queue.Options{}, h.work)
	h.Queue.Handle(workflow.JobNotice, queue.Options{}, h.Post.Work)
	h.Queue.Handle(album.JobFinish, queue.Options{}, h.Albums.Finish)
	h.Queue.Handle(album.JobHand, queue.Options{}, h.Albums.WorkHanded)
	h.Queue.Handle(notify.JobDigest, queue.Options{}, h.Notify.Work)
	h.Queue.Handle(delivery.JobOutgoing, queue.Options{}, h.Outgoing.Work)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Queue.Run(ctx) }()
	tb.Cleanup(func() { stop(); <-ended })
	return h
}

// member is who lives here.
func member(_ context.Context, id mail.UserID) (mail.User, error) {
	for _, u := range []mail.User{Ann, Bob} {
		if u.ID == id {
			return u, nil
		}
	}
	return mail.User{}, mail.Refuse(mail.NotFound, "kind-not-found")
}

type writer struct{ tb testing.TB }

func (w writer) Write(p []byte) (int, error) {
	w.tb.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// Process implements workflow.Processor for help@, so that a test can be the program.
func (h *House) Process(ctx context.Context, in *workflow.Inbound) error {
	if h.Program != nil {
		return h.Program(ctx, in)
	}
	return (&workflow.Guide{}).Process(ctx, in)
}

// work runs every program's job twice, as after a crash right before its end.
func (h *House) work(ctx context.Context, j *queue.Job) queue.Outcome {
	if h.Twice {
		h.Mux.Work(ctx, j)
	}
	return h.Mux.Work(ctx, j)
}

// Now is the house's clock; Move puts it forward.
func (h *House) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *House) Move(d time.Duration) {
	h.mu.Lock()
	h.clock = h.clock.Add(d)
	h.mu.Unlock()
	h.Queue.Wake()
}

// Resolve implements delivery.Directory.
func (h *House) Resolve(_ context.Context, rcpt mail.Address) ([]mail.Destination, error) {
	if rcpt.Domain == "home.test" {
		if pattern, ok := h.Mux.Match(rcpt.Local); ok {
			return []mail.Destination{{Where: mail.ToProgram, Program: pattern, Addr: rcpt}}, nil
		}
		return nil, mail.Refuse(mail.NoSuchUser, "kind-no-such-user")
	}
	return []mail.Destination{{Where: mail.ToRelay, Addr: rcpt}}, nil
}

// MaySend implements delivery.Directory.
func (h *House) Ours(_ context.Context, domain string) (bool, error) {
	return domain == "home.test", nil
}

func (h *House) MaySend(context.Context, mail.UserID, mail.Address) error { return nil }

// Accept implements workflow.Door: it keeps what programs send.
func (h *House) Accept(_ context.Context, env *mail.Envelope, body io.Reader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		return h.fail
	}
	if env.Once == "" || env.Origin != mail.FromSystem || !env.From.IsZero() || len(env.To) != 1 {
		h.tb.Errorf("a notice with the envelope %+v", env)
	}
	if h.once[env.Once] {
		return nil
	}
	h.once[env.Once] = true
	h.sent = append(h.sent, h.parse(env, body))
	return nil
}

// Fail makes the letter box refuse with err from now on; nil ends that.
func (h *House) Fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail = err
}

func (h *House) parse(env *mail.Envelope, body io.Reader) Sent {
	raw, err := io.ReadAll(body)
	if err != nil {
		h.tb.Error(err)
	}
	s := Sent{To: env.To[0].Address, Env: *env, Raw: string(raw)}
	for _, c := range raw {
		if c >= 0x80 && s.To.IsASCII() {
			h.tb.Errorf("a notice to %s is not ASCII:\n%s", s.To, raw)
			break
		}
	}
	for line := range strings.SplitSeq(s.Raw, "\n") {
		if line != "" && !strings.HasSuffix(line, "\r") || len(line) > 990 {
			h.tb.Errorf("a notice with the line %q", line)
		}
	}
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		h.tb.Errorf("a notice that cannot be read: %v\n%s", err, raw)
		return s
	}
	s.Header = m.Header
	s.Subject, _ = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		h.tb.Error(err)
	}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err != nil {
			return s
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			h.tb.Error(err)
		}
		text := strings.ReplaceAll(string(b), "\r\n", "\n")
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			s.HTML = text
		} else {
			s.Text = text
		}
	}
}

// File is an attachment of a mail under test.
type File struct {
	Name, Type string
	Bytes      []byte
	Base64     string // instead of Bytes: as it stands in the mail
	Plain      bool   // Bytes as they are, without an encoding
}

// Mail is a mail under test.
type Mail struct {
	User      mail.User // zero: Ann
	To        []string  // the program first
	Cc        string    // a header field
	Subject   string
	Text      string
	Files     []File
	MessageID string // "" makes one
	Header    string // more header lines
	NullFrom  bool
}

// Compose writes the mail out.
func (h *House) Compose(m Mail) []byte {
	var b bytes.Buffer
	if m.User.ID == 0 {
		m.User = Ann
	}
	if m.MessageID == "" {
		h.mu.Lock()
		h.serial++
		m.MessageID = fmt.Sprintf("m%d@phone.test", h.serial)
		h.mu.Unlock()
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s>\r\nDate: %s\r\n%s", m.User.Address, m.To[0],
		mime.QEncoding.Encode("utf-8", m.Subject), m.MessageID, h.Now().Format(time.RFC1123Z), m.Header)
	if m.Cc != "" {
		fmt.Fprintf(&b, "Cc: %s\r\n", m.Cc)
	}
	w := multipart.NewWriter(&b)
	fmt.Fprintf(&b, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=%q\r\n\r\n", w.Boundary())
	p, _ := w.CreatePart(textproto.MIMEHeader{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Transfer-Encoding": {"8bit"}})
	io.WriteString(p, strings.ReplaceAll(m.Text, "\n", "\r\n"))
	for _, f := range m.Files {
		if f.Type == "" {
			f.Type = "application/octet-stream"
		}
		encoding := "base64"
		if f.Plain {
			encoding, f.Base64 = "8bit", string(f.Bytes)
		}
		p, _ := w.CreatePart(textproto.MIMEHeader{"Content-Type": {f.Type}, "Content-Transfer-Encoding": {encoding},
			"Content-Disposition": {mime.FormatMediaType("attachment", map[string]string{"filename": f.Name})}})
		if f.Base64 == "" {
			enc := base64.StdEncoding.EncodeToString(f.Bytes)
			var lines strings.Builder
			for len(enc) > 76 {
				lines.WriteString(enc[:76] + "\r\n")
				enc = enc[76:]
			}
			f.Base64 = lines.String() + enc
		}
		io.WriteString(p, f.Base64)
	}
	w.Close()
	return b.Bytes()
}

// Send has a member send the mail through the Door, and waits for what it causes.
func (h *House) Send(m Mail) {
	h.tb.Helper()
	if m.User.ID == 0 {
		m.User = Ann
	}
	env := &mail.Envelope{ID: fmt.Sprint(store.NewID()), Origin: mail.FromMember, From: m.User.Address, User: m.User,
		Client: mail.Client{Protocol: "ESMTPSA"}}
	if m.NullFrom {
		env.From = mail.Address{}
	}
	for _, to := range m.To {
		if err := h.Door.Recipient(h.tb.Context(), env, mail.Recipient{Address: mail.MustAddress(to)}); err != nil {
			h.tb.Fatalf("RCPT %s: %v", to, err)
		}
	}
	if err := h.Door.Accept(h.tb.Context(), env, bytes.NewReader(h.Compose(m))); err != nil {
		h.tb.Fatalf("Accept: %v", err)
	}
	h.Settle()
}

// Settle waits until nothing is left to do now.
func (h *House) Settle() {
	h.tb.Helper()
	ctx, cancel := context.WithTimeout(h.tb.Context(), time.Minute)
	defer cancel()
	if err := h.Queue.Idle(ctx, delivery.JobProgram, delivery.JobOutgoing, workflow.JobNotice, notify.JobDigest, album.JobFinish, album.JobHand); err != nil {
		h.tb.Fatalf("the queue does not settle: %v", err)
	}
}

// Mails are those sent to an address so far, in order; Sent takes them out.
func (h *House) Mails(to mail.Address) []Sent {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out, rest []Sent
	for _, s := range h.sent {
		if s.To.Key() == to.Key() {
			out = append(out, s)
		} else {
			rest = append(rest, s)
		}
	}
	h.sent = rest
	return out
}

// One is the only mail to an address since last asked.
func (h *House) One(to mail.Address) Sent {
	h.tb.Helper()
	ms := h.Mails(to)
	if len(ms) != 1 {
		for _, m := range ms {
			h.tb.Logf("%s\n%s", m.Subject, m.Text)
		}
		h.tb.Fatalf("%d mails to %s, want one", len(ms), to)
	}
	return ms[0]
}

// None fails the test if anything was sent.
func (h *House) None() {
	h.tb.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sent {
		h.tb.Errorf("a mail to %s that should not be:\n%s\n%s", s.To, s.Subject, s.Text)
	}
	h.sent = nil
}

var tokens = regexp.MustCompile(`https://mail\.home\.test/[tad]/([a-z2-7]{26})`)

// Tokens are the links of a mail, in order.
func (s Sent) Tokens() []link.Token {
	var out []link.Token
	for _, m := range tokens.FindAllStringSubmatch(s.Text, -1) {
		out = append(out, link.Token(m[1]))
	}
	return out
}

// Count runs a query that counts.
func (h *House) Count(q string, args ...any) (n int) {
	h.tb.Helper()
	if err := h.DB.Read(h.tb.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(h.tb.Context(), q, args...).Scan(&n)
	}); err != nil {
		h.tb.Fatalf("%s: %v", q, err)
	}
	return n
}

// Read is the bytes of a blob.
func (h *House) Read(id blob.ID) []byte {
	h.tb.Helper()
	r, err := h.Blobs.Open(h.tb.Context(), id, 0)
	if err != nil {
		h.tb.Fatalf("blob %d: %v", id, err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		h.tb.Fatalf("blob %d: %v", id, err)
	}
	return b
}
