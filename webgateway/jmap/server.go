package jmap

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"colporteur/accounts"
	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store/blob"
	"colporteur/store/contact"
	"colporteur/store/loose"
	"colporteur/store/mailbox"
	"colporteur/webgateway/push"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/snooze"
	"colporteur/workflow/transfer"
	"colporteur/workflow/upload"
)

// Accounts says who somebody is; *accounts.Service does.
type Accounts interface {
	Login(ctx context.Context, name, password string, c mail.Client) (mail.User, error)
	AddressesOf(ctx context.Context, accounts []mail.AccountID) (map[mail.AccountID]mail.Address, error)
	Quota(ctx context.Context, account mail.AccountID) (int64, error)
	GroupsOf(ctx context.Context, u mail.UserID) ([]accounts.Group, error)
}

// Server serves JMAP.
type Server struct {
	Mailboxes *mailbox.Store
	Blobs     *blob.Store
	Uploads   *loose.Store // nil takes no files
	Contacts  *contact.Store
	Filer     Filer // nil files nothing
	Accounts  Accounts
	// Identities are what members call themselves when they send.
	Identities Identities
	Absences   Absences
	// Submitter sends, and Submissions remembers what was sent.
	Submitter   Submitter
	Submissions *delivery.Submissions
	Snooze      *snooze.Service // nil puts nothing aside
	Push        *push.Service   // nil pushes nothing
	URL         string          // of the site, without a slash at its end
	MaxMessage  int64           // octets of a mail, decoded; 0: as many as an upload may have
	Hostname    string          // that our own Authentication-Results bear

	// Outward asks hosts that a mail names; nil asks none.
	Outward *http.Client
	// What members share, and what became of the mails they sent.
	Transfers *transfer.Service
	Places    *upload.Service
	Albums    *album.Service
	Links     *link.Service
	Trace     *delivery.Trace
	// Room is how many octets more a member may keep, in mail and in what they share.
	Room func(ctx context.Context, account mail.AccountID, member mail.UserID) (int64, error)
	// Photo answers with a form of a photo, as the guests' pages do, while still says nil.
	Photo func(w http.ResponseWriter, r *http.Request, v link.Visit, id album.PhotoID, form string, still func() error) error

	// Cookie says whose a request of our own web application is; nil: there is none.
	Cookie func(*http.Request) (mail.User, error)
	// SignedIn hears of every sign-in by password; nil hears nothing.
	SignedIn func(ctx context.Context, u mail.User, c mail.Client)
	// Render makes the sentence of t in lang. nil says nothing.
	Render func(lang string, t mail.Text) string
	Now    func() time.Time // nil is time.Now
	Log    *slog.Logger     // nil discards

	busy, uploading, listening crowd
}

// Routes are the addresses of RFC 8620 §2.
func (s *Server) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /.well-known/jmap", s.session)
	mux.HandleFunc("GET /jmap/session", s.session)
	mux.HandleFunc("POST /jmap/api", s.api)
	mux.HandleFunc("POST /jmap/upload/{account}/", s.upload)
	mux.HandleFunc("GET /jmap/download/{account}/{blob}/{name}", s.download)
	mux.HandleFunc("GET /jmap/events", s.events)
	mux.HandleFunc("GET /jmap/ws", s.websocket)
	mux.HandleFunc("GET /jmap/contacts/{file}", s.contacts)
	mux.HandleFunc("GET /jmap/photo/{account}/{photo}/{form}", s.photo)
}

// crowd counts what members do at once.
type crowd struct {
	mu sync.Mutex
	n  map[mail.UserID]int
}

// enter says whether one more is within most; leave ends it.
func (c *crowd) enter(u mail.UserID, most int) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[mail.UserID]int{}
	}
	if c.n[u] >= most {
		return nil, false
	}
	c.n[u]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.n[u]--; c.n[u] == 0 {
			delete(c.n, u)
		}
	}, true
}

func clientOf(r *http.Request) mail.Client {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, _ := netip.ParseAddr(host)
	return mail.Client{IP: ip.Unmap(), Protocol: "HTTP"}
}

func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}
