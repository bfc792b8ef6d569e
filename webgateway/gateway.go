// Package webgateway is the host's HTTP side: one table of routes, and the
// servers that answer on them.
package webgateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/office"
	"colporteur/webgateway/account"
	"colporteur/webgateway/admin"
	"colporteur/webgateway/ask"
	"colporteur/webgateway/autoconfig"
	"colporteur/webgateway/jmap"
	"colporteur/webgateway/page"
	"colporteur/webgateway/session"
	"colporteur/webgateway/settings"
	"colporteur/webgateway/share"
	"colporteur/webgateway/upload"
	"colporteur/webgateway/webmail"
)

// Gateway answers HTTP for one host.
type Gateway struct {
	Hostname string
	Domain   func(context.Context) string // the first mail domain, for the addresses on the home page
	URL      string                       // the public address of this site; links are never made from a Host header
	Share    *share.Share
	Ask      *ask.Pages
	Settings *settings.Pages
	Upload   *upload.Upload
	JMAP     *jmap.Server
	Doors    *session.Pages
	Webmail  *webmail.Webmail
	Account  *account.Pages  // nil: members cannot look after their account in a browser
	Admin    *admin.Pages    // nil: there are no pages for whoever runs the host
	Office   *office.Service // nil: the house has no words of its own
	// Autoconfig tells mail programs where to connect; nil tells nothing.
	Autoconfig *autoconfig.Server
	Pages      *page.Pages
	Healthy    func(context.Context) error // nil when the host takes work
	// STS is the MTA-STS policy of a domain, false when the domain is not ours
	// or has none; nil is none for anybody.
	STS func(ctx context.Context, domain string) (body string, ok bool)
	Log *slog.Logger
}

// Handler is the table of routes.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", g.Pages.Handle(g.home))
	if g.Doors != nil {
		g.Doors.Routes(mux)
	}
	if g.Account != nil {
		g.Account.Routes(mux)
	}
	if g.Webmail != nil && webmail.Built() {
		g.Webmail.Routes(mux)
	} else {
		mux.Handle("GET /mail", g.Pages.Handle(g.mail))
	}
	mux.HandleFunc("GET /healthz", g.health)
	mux.Handle("GET /assets/", page.Assets())
	mux.HandleFunc("GET /robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("User-agent: *\nDisallow: /\n"))
	})
	mux.Handle("GET /.well-known/mta-sts.txt", g.Pages.Handle(g.sts))
	g.Share.Routes(mux)
	if g.Ask != nil {
		g.Ask.Routes(mux)
	}
	if g.Settings != nil {
		g.Settings.Routes(mux)
	}
	if g.Upload != nil {
		g.Upload.Routes(mux)
	}
	if g.Admin != nil {
		g.Admin.Routes(mux)
	}
	if g.JMAP != nil {
		g.JMAP.Routes(mux)
	}
	if g.Autoconfig != nil {
		g.Autoconfig.Routes(mux)
	}
	mux.Handle("/", g.Pages.Handle(func(http.ResponseWriter, *http.Request) error {
		return mail.Refuse(mail.NotFound, "kind-not-found")
	}))
	// A form on another site cannot press our buttons.
	guard := http.NewCrossOriginProtection()
	guard.AddInsecureBypassPattern(settings.OneClick)
	guard.SetDenyHandler(g.Pages.Handle(func(http.ResponseWriter, *http.Request) error {
		return mail.Refuse(mail.Policy, "kind-policy")
	}))
	return page.Headers(small(guard.Handler(mux)))
}

// small bounds what a request may carry and how long it may take to say it:
// our forms have no fields, and whoever drips bytes holds a connection.
func small(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			wait := 30 * time.Second
			switch {
			case strings.HasPrefix(r.URL.Path, "/d/"): // where files are handed in: package upload bounds them
			case strings.HasPrefix(r.URL.Path, "/jmap/"): // members' own programs: package jmap bounds them
				wait = 10 * time.Minute
			default:
				r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
			}
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(wait)) // an error: not a socket
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) home(w http.ResponseWriter, r *http.Request) error {
	return g.plain(w, r, "home.html", "web-home-title", "")
}

// mail is the page where there is no webmail.
func (g *Gateway) mail(w http.ResponseWriter, r *http.Request) error {
	who := ""
	if g.Doors != nil {
		switch u, err := g.Doors.Sessions.User(r); {
		case err == nil && u.Name != "":
			who = u.Name
		case err == nil:
			who = u.Address.String()
		case !mail.Is(err, mail.AuthRequired):
			return err
		}
	}
	return g.plain(w, r, "mail.html", "web-mail-title", who)
}

func (g *Gateway) plain(w http.ResponseWriter, r *http.Request, name, title, member string) error {
	v := page.See(r, "")
	v.Title = v.T(title, "Host", g.Hostname)
	domain := g.Domain(r.Context())
	drop, album := "envoi", "album+vacances"
	if v.Lang == "en" {
		drop, album = "send", "album+holidays"
	}
	house, err := g.house(r.Context(), v.Lang)
	if err != nil {
		return err
	}
	if name == "home.html" && house.Name != "" {
		v.Title = house.Name
	}
	v.Data = map[string]any{"House": house, "Host": g.Hostname, "Member": member, "Drop": drop + "@" + domain, "Album": album + "@" + domain, "Webmail": g.Webmail != nil && webmail.Built()}
	return g.Pages.Write(w, http.StatusOK, name, v)
}

// house is what whoever runs the host wants to say at its door.
type house struct {
	Name, Contact string
	Front, Help   []office.Block
}

func (g *Gateway) house(ctx context.Context, lang string) (house, error) {
	if g.Office == nil {
		return house{}, nil
	}
	c, err := g.Office.Settings(ctx)
	return house{c.Name, c.Contact, office.Blocks(c.Front.In(lang)), office.Blocks(c.Help.In(lang))}, err
}

func (g *Gateway) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := g.Healthy(ctx); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte(locale.For("en").T("kind-unavailable") + "\n"))
		return
	}
	w.Write([]byte("ok\n"))
}

// Redirect sends plain HTTP to the public address.
func (g *Gateway) Redirect() http.Handler {
	base, err := url.Parse(g.URL)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err != nil || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "https only", http.StatusBadRequest)
			return
		}
		to := *base // not from Host: that is the stranger's word
		to.Path, to.RawQuery = r.URL.Path, r.URL.RawQuery
		http.Redirect(w, r, to.String(), http.StatusPermanentRedirect)
	})
}

// Serve answers on ln until ctx ends; requests under way get a few seconds more.
func Serve(ctx context.Context, ln net.Listener, config *tls.Config, h http.Handler, log *slog.Logger) error {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 15 * time.Second, // slow-loris
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
	}
	if log != nil {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	}
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*time.Second)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		s.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
