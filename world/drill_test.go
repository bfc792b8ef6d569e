package world_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"colporteur/config"
	"colporteur/store"
	"colporteur/store/storetest"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
	"colporteur/world"
)

// The revocation drill: everything that a guest can get is harvested, the owner
// changes one thing, and every address is asked again, on every node, in every
// way that caches and browsers ask.
func TestRevokedMeansGoneAtOnceOnEveryNode(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, database := world.New(t), "sqlite"
			if engine == "postgres" {
				database = storetest.Postgres(t)
			}
			home := w.Server("home.test", func(c *config.Config) { c.Database.URL = database })
			far := w.Server("far.test")
			nodes := []*world.Server{home}
			if engine == "postgres" {
				nodes = append(nodes, home.Node())
			}
			ann, mamie, paul := home.Member("ann"), far.Member("mamie"), far.Member("paul")
			byAnn := link.Member(ann.Account.ID)
			gone := func(why string, all []world.Harvested) {
				t.Helper()
				for _, n := range nodes {
					n.Replay(why, all)
				}
			}

			for why, revoke := range map[string]func(id album.ID) error{
				"guest taken off the list": func(id album.ID) error {
					return home.Albums.RevokeGuest(t.Context(), id, byAnn, linkOf(t, home, link.Album, int64(id), mamie.Address))
				},
				"recalled": func(id album.ID) error { return home.Albums.Recall(t.Context(), id, byAnn) },
				"frozen": func(id album.ID) error {
					return freeze(t, home, link.Album, int64(id))
				},
				"ended": func(id album.ID) error { return home.Albums.Expire(t.Context(), id, byAnn, w.Clock.Now()) },
			} {
				name := strings.ReplaceAll(strings.ReplaceAll(why, " ", ""), "é", "e")
				ann.Send("album+"+name+"@home.test", world.Cc(mamie, paul), world.Attach("un.jpg", "image/jpeg", photo(800+len(why), 600)),
					world.Attach("deux.jpg", "image/jpeg", photo(600+len(why), 800)))
				w.Settle()
				guest := mamie.Inbox().Last().Link()
				all := nodes[len(nodes)-1].Harvest(guest)
				if len(all) < 12 { // the page, two photos with their pages and forms, print, all in one
					t.Fatalf("%s: only %d addresses were harvested: %+v", why, len(all), all)
				}
				v, err := home.Albums.Open(t.Context(), link.Visit{Token: tokenOf(guest)})
				if err != nil {
					t.Fatal(err)
				}
				if err := revoke(v.ID); err != nil {
					t.Fatalf("%s: %v", why, err)
				}
				gone(why, all)
			}

			// One photo of several.
			ann.Send("album+foto@home.test", world.Cc(mamie), world.Attach("un.jpg", "image/jpeg", photo(801, 603)), world.Attach("deux.jpg", "image/jpeg", photo(602, 801)))
			w.Settle()
			guest := mamie.Inbox().Last().Link()
			v, err := home.Albums.Open(t.Context(), link.Visit{Token: tokenOf(guest)})
			if err != nil {
				t.Fatal(err)
			}
			ps, err := home.Albums.Page(t.Context(), v, 0, 10)
			if err != nil || len(ps) != 2 {
				t.Fatalf("%d photos, %v", len(ps), err)
			}
			var of []world.Harvested
			for _, h := range home.Harvest(guest) {
				if strings.Contains(h.Path, "/p/"+number(int64(ps[0].ID))) {
					of = append(of, h)
				}
			}
			if len(of) < 4 {
				t.Fatalf("only %d addresses of one photo", len(of))
			}
			if err := home.Albums.RemovePhoto(t.Context(), v.ID, ps[0].ID, byAnn); err != nil {
				t.Fatal(err)
			}
			gone("one photo taken off", of)

			for why, revoke := range map[string]func(id transfer.ID) error{
				"guest taken off the list": func(id transfer.ID) error {
					return home.Transfers.RevokeGuest(t.Context(), id, byAnn, linkOf(t, home, link.Transfer, int64(id), mamie.Address))
				},
				"recalled": func(id transfer.ID) error { return home.Transfers.Recall(t.Context(), id, byAnn) },
				"frozen": func(id transfer.ID) error {
					return freeze(t, home, link.Transfer, int64(id))
				},
			} {
				ann.Send("envoi@home.test", world.Subject(why), world.Cc(mamie), world.Attach("photo.jpg", "image/jpeg", photo(300, 200)),
					world.Attach("texte.txt", "text/plain", []byte("bonjour")), world.Attach("page.html", "text/html", []byte("<script>alert(1)</script>")))
				w.Settle()
				guest := mamie.Inbox().Last().Link()
				all := home.Harvest(guest)
				if len(all) < 5 { // the page, three files, all in one
					t.Fatalf("%s: only %d addresses were harvested: %+v", why, len(all), all)
				}
				for _, h := range all {
					if strings.HasPrefix(h.Type, "text/html") && h.Path != path(guest) {
						t.Errorf("%s is served as HTML where our cookies live", h.Path)
					}
				}
				v, err := home.Transfers.Open(t.Context(), link.Visit{Token: tokenOf(guest)})
				if err != nil {
					t.Fatal(err)
				}
				if err := revoke(v.ID); err != nil {
					t.Fatalf("%s: %v", why, err)
				}
				gone(why, all)
			}

			// A member who goes takes everything along.
			ann.Send("envoi@home.test", world.Subject("fin"), world.Cc(mamie), world.Attach("a.bin", "application/octet-stream", []byte("a")))
			w.Settle()
			all := home.Harvest(mamie.Inbox().Last().Link())
			if err := home.Accounts.Remove(t.Context(), ann.Account.ID); err != nil {
				t.Fatal(err)
			}
			gone("the member left", all)
		})
	}
}

// A download that is under way when its link is taken back ends within a second
// or so, also on the other node.
func TestRunningDownloadEndsWhenItsLinkIsTakenBack(t *testing.T) {
	t.Parallel()
	w, database := world.New(t), storetest.Postgres(t)
	home := w.Server("home.test", func(c *config.Config) { c.Database.URL = database })
	other := home.Node()
	ann, bob := home.Member("ann"), home.Member("bob")
	big := make([]byte, 48<<20)
	src := rand.NewChaCha8([32]byte{1})
	src.Read(big)
	ann.Send("envoi@home.test", world.Subject("grand"), world.Cc(bob), world.Attach("a.bin", "application/octet-stream", big), world.Attach("b.txt", "text/plain", []byte("b")))
	w.Settle()
	guest := bob.Inbox().One().Link()
	var whole string
	for _, h := range other.Harvest(guest) {
		if h.Bytes > len(big) {
			whole = h.Path
		}
	}
	if whole == "" {
		t.Fatal("no address of all in one")
	}
	// What the kernel holds already cannot be taken back: it holds little for this reader.
	narrow := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(64 << 10)
		}
		return c, err
	}}
	defer narrow.CloseIdleConnections()
	resp, err := (&http.Client{Transport: narrow}).Get("http://" + other.Addr("http") + whole)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	v, err := home.Transfers.Open(t.Context(), link.Visit{Token: tokenOf(guest)})
	if err != nil {
		t.Fatal(err)
	}
	if err := home.Transfers.Recall(t.Context(), v.ID, link.Member(ann.Account.ID)); err != nil {
		t.Fatal(err)
	}
	// The reader is slow.
	began, n := time.Now(), int64(0)
	buf := make([]byte, 64<<10)
	for {
		k, err := resp.Body.Read(buf)
		n += int64(k)
		if err != nil {
			if err == io.EOF {
				t.Error("the download came to its end")
			}
			break
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("the download still runs after %v, %d bytes later", time.Since(began), n)
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Logf("ended after %v and %d more bytes", time.Since(began), n)
}

func linkOf(t *testing.T, s *world.Server, kind string, thing int64, address string) link.ID {
	t.Helper()
	ls, err := s.Links.List(t.Context(), kind, thing)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ls {
		if !l.Manage && !l.Public && l.Person.String() == address {
			return l.ID
		}
	}
	t.Fatalf("%s has no link", address)
	return 0
}

func tokenOf(url string) link.Token { return link.Token(url[strings.LastIndexByte(url, '/')+1:]) }

func path(url string) string {
	return url[strings.LastIndex(url[:strings.LastIndexByte(url, '/')], "/"):]
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func freeze(t *testing.T, home *world.Server, kind string, id int64) error {
	return home.DB.Write(t.Context(), func(tx *store.Tx) error { return home.Links.Freeze(t.Context(), tx, kind, id, true) })
}
