// Package host wires the parts of one mail host together: from a configuration
// to something that listens and works. The binary and the tests' worlds share it.
package host

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"colporteur/accounts"
	"colporteur/config"
	"colporteur/delivery"
	"colporteur/dkim/keyring"
	"colporteur/dkim/records"
	"colporteur/dkim/report"
	"colporteur/dns"
	"colporteur/imap"
	"colporteur/locale"
	"colporteur/mail"
	"colporteur/office"
	"colporteur/smtp"
	"colporteur/smtp/relay"
	"colporteur/smtp/relay/provider"
	"colporteur/smtp/relay/secure"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/contact"
	"colporteur/store/loose"
	"colporteur/store/mailbox"
	"colporteur/store/message"
	"colporteur/store/queue"
	"colporteur/webgateway"
	"colporteur/webgateway/jmap"
	"colporteur/webgateway/push"
	"colporteur/webgateway/session"
	"colporteur/workflow"
	"colporteur/workflow/absence"
	"colporteur/workflow/album"
	"colporteur/workflow/ask"
	"colporteur/workflow/folder"
	"colporteur/workflow/gazette"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
	"colporteur/workflow/outgoing"
	"colporteur/workflow/snooze"
	"colporteur/workflow/tidy"
	"colporteur/workflow/transfer"
	"colporteur/workflow/trust"
	"colporteur/workflow/upload"
)

// Options are what a Host needs beside its configuration.
type Options struct {
	Key []byte      // the master key, 32 bytes
	TLS *tls.Config // nil: no TLS anywhere
	// Certificates keeps what TLS hands out fresh; nil when nothing here does.
	Certificates Certificates
	DNS          *dns.Client // nil: as the configuration says
	Now          func() time.Time
	Log          *slog.Logger
	// Certificate is what lies on the disk for a name that leads here, for whoever
	// looks after it; nil: nothing is said about certificates.
	Certificate func(name string) (*tls.Certificate, error)
	Version     string // of the program
	Hurry       bool   // pictures are not the last thing the machine does: for one that is never idle, of tests
}

// Certificates fetches certificates from an authority (RFC 8555) and renews them.
type Certificates interface {
	// Run works until its context ends. That the authority cannot be reached is
	// no failure: it is asked again later.
	Run(context.Context) error
	// Challenge answers the authority over plain HTTP (RFC 8555 §8.3), and
	// leaves every other request to next.
	Challenge(next http.Handler) http.Handler
}

// Host is the parts of one mail host, wired.
type Host struct {
	Config      *config.Config
	DB          *store.DB
	Blobs       *blob.Store
	Messages    *message.Store
	Mailboxes   *mailbox.Store
	Queue       *queue.Queue
	Accounts    *accounts.Service
	Door        *delivery.Door
	Trace       *delivery.Trace
	SMTP        *smtp.Server
	IMAP        *imap.Server
	Relay       *relay.Relay
	Links       *link.Service
	Mux         *workflow.Mux
	Policies    *secure.Finder
	Reports     *reporting
	Transfers   *transfer.Service
	Albums      *album.Service
	Notify      *notify.Service
	Questions   *ask.Service
	Folders     *folder.Service
	Gazette     *gazette.Service
	Trust       *trust.Service
	Outgoing    *outgoing.Service
	Tidy        *tidy.Service
	Absences    *absence.Service
	Uploads     *loose.Store
	Contacts    *contact.Store
	JMAP        *jmap.Server
	Sessions    *session.Service
	Snooze      *snooze.Service
	Push        *push.Service
	Submissions *delivery.Submissions
	Places      *upload.Service
	Gateway     *webgateway.Gateway
	Keys        *keyring.Ring
	Office      *office.Service
	Records     *records.Publisher // nil when nobody takes our updates of the DNS

	opt       Options
	refusing  atomic.Bool // a provider may be refusing us: what it takes is news
	listeners []listener
}

// New opens the store and wires the parts. Nothing listens yet.
func New(ctx context.Context, cfg *config.Config, opt Options) (*Host, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.DNS == nil {
		opt.DNS = &dns.Client{TrustAD: cfg.DNS.TrustAD, Log: opt.Log}
		if cfg.DNS.Resolver != "" {
			opt.DNS.Servers = []string{cfg.DNS.Resolver}
		}
	}
	opt.TLS = strict(opt.TLS)
	if len(opt.Key) != 32 {
		return nil, fmt.Errorf("the master key has %d bytes, not 32", len(opt.Key))
	}
	h := &Host{Config: cfg, opt: opt}
	h.refusing.Store(true) // since before the start, perhaps
	var err error
	if h.DB, err = store.Open(ctx, cfg.DatabaseURL(), opt.Log); err != nil {
		return nil, err
	}
	h.wireStore()
	if err := h.Blobs.CheckKey(ctx); err != nil {
		h.DB.Close()
		return nil, fmt.Errorf("master key %s: %w", cfg.Secrets.Key, err)
	}
	if err := h.wireAccounts(ctx); err != nil {
		h.DB.Close()
		return nil, err
	}
	if err := h.wireWorkflow(ctx); err != nil {
		h.DB.Close()
		return nil, err
	}
	h.wireOrigin()
	h.wireProof()
	h.wireReports()
	h.Gateway.STS = h.STS
	h.wireProtocols()
	if h.DB.Engine() == "sqlite" {
		// Whatever was claimed, was claimed by a process that is gone.
		if err := h.Queue.Recover(ctx); err != nil {
			h.DB.Close()
			return nil, err
		}
	}
	return h, nil
}

// strict is cfg as every protocol of ours offers TLS.
func strict(cfg *tls.Config) *tls.Config {
	if cfg == nil || cfg.CipherSuites != nil {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.CipherSuites = smtp.Suites()
	return cfg
}

// subkey derives the key for one purpose: a leak of one opens nothing else.
func subkey(master []byte, purpose string) []byte {
	k, err := hkdf.Key(sha256.New, master, nil, "colporteur "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths that are not ours
	}
	return k
}

func (h *Host) wireStore() {
	h.Blobs = &blob.Store{DB: h.DB, Dir: h.Config.BlobDir(), Master: subkey(h.opt.Key, "blob"),
		Inline: int(h.Config.Blobs.Inline), Now: h.opt.Now, Log: h.opt.Log}
	h.Messages = &message.Store{DB: h.DB, Blobs: h.Blobs, Now: h.opt.Now}
	h.Mailboxes = &mailbox.Store{DB: h.DB, Messages: h.Messages, Now: h.opt.Now}
	h.Uploads = &loose.Store{DB: h.DB, Blobs: h.Blobs, Now: h.opt.Now}
	h.Contacts = &contact.Store{DB: h.DB, Blobs: h.Blobs, Changed: h.Mailboxes.Renewed, Now: h.opt.Now}
	h.Queue = &queue.Queue{DB: h.DB, Now: h.opt.Now, Log: h.opt.Log}
	h.Office = &office.Service{DB: h.DB, Now: h.opt.Now}
	h.Trace = &delivery.Trace{DB: h.DB, Now: h.opt.Now}
	// Who names a blob, and who a message: the sweepers keep what these know.
	h.Blobs.Named = append([]string{
		`SELECT 1 FROM message WHERE blob = $1`,
		`SELECT 1 FROM segment WHERE blob = $1`,
		loose.Named,
		contact.Named,
	}, workflow.BlobNamed...)
	h.Messages.Named = append([]string{
		`SELECT 1 FROM email WHERE message = $1`,
		`SELECT 1 FROM job WHERE message = $1`,
	}, workflow.MessageNamed...)
}

func (h *Host) wireAccounts(context.Context) error {
	h.Accounts = &accounts.Service{DB: h.DB, Hostname: h.Config.Hostname, ProgramsPage: h.Config.Web.URL + "/account/programs", Key: subkey(h.opt.Key, "login"), Now: h.opt.Now, Log: h.opt.Log,
		Created: h.Mailboxes.CreateAccount, CreatedGroup: h.Mailboxes.CreateGroup, Regrouped: h.Mailboxes.Regrouped,
		Removed: h.Mailboxes.DeleteAccount, Renewed: h.Mailboxes.Renewed}
	h.Mailboxes.People = h.Accounts
	h.Accounts.Programs = func(local string) (string, bool) {
		if slices.Contains(report.ReportWords, local) {
			return local, true
		}
		return h.Mux.Match(local)
	}
	h.Accounts.Open = func() []mail.User { return append(h.SMTP.Members(), h.IMAP.Members()...) }
	h.Accounts.Changed = func(u mail.UserID) {
		h.SMTP.Cut(u)
		h.IMAP.Cut(u)
	}
	h.Door = &delivery.Door{DB: h.DB, Blobs: h.Blobs, Messages: h.Messages, Mailboxes: h.Mailboxes, Queue: h.Queue, Contacts: h.Contacts,
		Directory: h.Accounts, Quotas: h.Accounts, Hostname: h.Config.Hostname, Message: int64(h.Config.Limits.Message),
		Drop: int64(h.Config.Limits.Drop), WebURL: h.Config.Web.URL, Now: h.opt.Now, Log: h.opt.Log,
		ReturnKey: subkey(h.opt.Key, "return path"), Forwarders: h.Config.Origin.Forwarders}
	h.Queue.Handle(delivery.JobRelease, queue.Options{Workers: 4}, h.Door.Release)
	return nil
}

func (h *Host) wireProtocols() {
	cfg := h.Config
	var insecure func(netip.Addr) bool
	if cfg.Profile == config.Dev {
		insecure = netip.Addr.IsLoopback // CONTRACT: only so that a laptop can try without certificates
	}
	render := func(lang string, t mail.Text) string { return locale.For(lang).Text(t) }
	h.SMTP = &smtp.Server{Hostname: cfg.Hostname, Door: h.Door, Accounts: h.Accounts, Verifiers: verifiers{h.Accounts}, OfferSCRAM: cfg.Login.SCRAM,
		TLS: h.opt.TLS, InsecureAuthFrom: insecure, MaxMessage: int64(cfg.Limits.Message), MaxDrop: int64(cfg.Limits.Drop),
		WebURL: cfg.Web.URL, ProxyFrom: cfg.SMTP.ProxyProtocolFrom, Alarm: h.alarm, SignedIn: h.Notify.SignedIn, Render: render, Now: h.opt.Now, Log: h.opt.Log}
	h.IMAP = &imap.Server{Mailboxes: h.Mailboxes, Accounts: h.Accounts, Appender: h.Door, Verifiers: imapVerifiers{h.Accounts}, OfferSCRAM: cfg.Login.SCRAM, Quotas: h.Accounts,
		Hidden: func(ctx context.Context, u mail.User) ([]string, error) { return h.Accounts.Hidden(ctx, u.ID) }, Hostname: cfg.Hostname,
		TLS: h.opt.TLS, InsecureAuthFrom: insecure, SignedIn: h.Notify.SignedIn, MaxAppend: int64(cfg.Limits.Drop), PerIP: cfg.IMAP.PerAddress, PerMember: cfg.IMAP.PerMember,
		Render: render, Now: h.opt.Now, Log: h.opt.Log}
	h.Relay = &relay.Relay{Queue: h.Queue, Messages: h.Messages, Resolver: h.opt.DNS, Door: h.Door, Hostname: cfg.Hostname,
		Port: cfg.Relay.Port, AllowPrivate: cfg.Relay.AllowPrivate, Smarthost: cfg.Relay.Smarthost,
		Policies: h.Policies, TLSResult: h.Reports.session, Sign: h.sign,
		Recognise: provider.Recognise, Blocked: h.blocked, Lang: h.langOf, Trace: h.traced, Now: h.opt.Now, Log: h.opt.Log}
	h.Relay.Register()
	h.wireJMAP(render)
	h.wirePush()
	h.wireOffice()
}

// langOf is the language of a member; of anybody else it is not known.
func (h *Host) langOf(a mail.Address) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m, err := h.Accounts.ByAddress(ctx, a)
	if err != nil {
		return ""
	}
	return m.Lang
}

// verifiers tells accounts' SCRAM verifiers in package smtp's words.
type verifiers struct{ accounts *accounts.Service }

func (v verifiers) Verifiers(ctx context.Context, name string) ([]smtp.Verifier, error) {
	have, err := v.accounts.Verifiers(ctx, name)
	out := make([]smtp.Verifier, len(have))
	for i, a := range have {
		out[i] = smtp.Verifier(a)
	}
	return out, err
}
