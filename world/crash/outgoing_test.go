package crash

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/mail"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"colporteur/world"
)

// copied is a mail that arrived elsewhere.
type copied struct {
	to, raw string
	at      time.Time
}

// far is every other host of the Internet: it takes all mail and remembers it.
type far struct {
	sync.Mutex
	all []copied
}

// arrived are the copies of one mail for one recipient, in the order they came.
func (f *far) arrived(subject, to string) (out []copied) {
	f.Lock()
	defer f.Unlock()
	for _, c := range f.all {
		if c.to == to && strings.Contains(c.raw, "\r\nSubject: "+subject+"\r\n") {
			out = append(out, c)
		}
	}
	return out
}

func (f *far) NewSession(*smtp.Conn) (smtp.Session, error) { return &visit{far: f}, nil }

type visit struct {
	far *far
	to  []string
}

func (v *visit) Reset()                                    { v.to = nil }
func (v *visit) Logout() error                             { return nil }
func (v *visit) Mail(string, *smtp.MailOptions) error      { return nil }
func (v *visit) Rcpt(to string, _ *smtp.RcptOptions) error { v.to = append(v.to, to); return nil }

func (v *visit) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	v.far.Lock()
	defer v.far.Unlock()
	for _, to := range v.to {
		v.far.all = append(v.far.all, copied{to: to, raw: string(b), at: time.Now()})
	}
	return nil
}

// elsewhere serves a far until the test ends, and returns its address.
func elsewhere(t *testing.T, f *far) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(f)
	s.Domain, s.MaxMessageBytes, s.EnableSMTPUTF8 = "far.test", 100<<20, true
	ended := make(chan struct{})
	go func() { s.Serve(ln); close(ended) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return ln.Addr().String()
}

// TestALargeMailReachesEachRecipientOnceHoweverOftenTheServerIsKilled kills the
// server somewhere between its 250 to a mail that others would refuse for its
// size and the lighter mails that leave in its place.
func TestALargeMailReachesEachRecipientOnceHoweverOftenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	away := &far{}
	p := world.Setup(t, filepath.Join(t.TempDir(), "data"),
		`(?m)^smarthost = ""`, fmt.Sprintf("smarthost = %q", elsewhere(t, away)), `(?m)^outgoing = "\w+"`, `outgoing = "1MiB"`)
	const ann, eve = "ann@home.test", "eve@home.test"
	p.Member(ann, "storm pass")
	p.Member(eve, "storm pass")
	p.Start()
	p.Run("member", "outgoing", ann, "yes", "--config", p.Config)
	p.Kill()

	guests := []string{"bob@far.test", "claire@loin.test"}
	const n = 20
	movie := func(i int) []byte { return bytes.Repeat(snapshot(t, i), 1_500_000/len(snapshot(t, i))+1) }
	var kills []time.Time
	before := 0 // that had left when the blow fell
	for i := range n {
		p.Start()
		subject := fmt.Sprintf("film%d", i)
		if err := submit(p, ann, append([]string{eve}, guests...), attach(ann, subject, guests[0], subject+".bin", "application/octet-stream", movie(i))); err != nil {
			t.Fatalf("blow %d: %v\n%s", i, err, p.Log())
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // all of it takes some 40 ms
		kills = append(kills, time.Now())
		p.Kill()
		for _, who := range guests {
			before += min(1, len(away.arrived(subject, who)))
		}
	}
	p.Start()
	receipts := map[string]int{} // by the subject of the mail, which ends theirs
	for _, mails := range settled(t, p, ann, "Subject: ", n) {
		for _, raw := range mails {
			m, err := mail.ReadMessage(strings.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			said, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil {
				t.Fatal(err)
			}
			receipts[said[strings.LastIndexAny(said, " \u00a0")+1:]]++
		}
	}
	here := settled(t, p, eve, "Subject: ", n)
	deadline := time.Now().Add(3 * time.Minute) // what was cut while it left is tried again after a pause
	missing := func() (m []string) {
		for i := range n {
			for _, who := range guests {
				if subject := fmt.Sprintf("film%d", i); len(away.arrived(subject, who)) == 0 {
					m = append(m, subject+" to "+who)
				}
			}
		}
		return m
	}
	for len(missing()) > 0 && time.Now().Before(deadline) {
		time.Sleep(200 * time.Millisecond)
	}
	if m := missing(); len(m) > 0 {
		t.Fatalf("never arrived: %s\n%s\n%s", strings.Join(m, ", "), p.Run("queue", "list", "--config", p.Config), p.Log())
	}

	links, again := map[string]string{}, 0
	for i := range n {
		subject := fmt.Sprintf("film%d", i)
		if got := receipts[subject]; got != 1 {
			t.Errorf("%s has %d receipts", subject, got)
		}
		if got := here[subject]; len(got) != 1 || len(got[0]) < len(movie(i)) {
			t.Errorf("%s came %d times to who has a mailbox here, or not whole", subject, len(got))
		}
		for _, who := range guests {
			copies := away.arrived(subject, who)
			first := copies[0]
			if len(first.raw) > 20_000 {
				t.Errorf("%s to %s has %d octets", subject, who, len(first.raw))
			}
			link := pageLink.FindString(first.raw)
			if link == "" {
				t.Fatalf("%s to %s has no link:\n%s", subject, who, first.raw)
			}
			if other := links[link]; other != "" {
				t.Errorf("%s to %s has the link of %s", subject, who, other)
			}
			links[link] = subject + " to " + who
			// The one moment in which SMTP itself cannot tell (RFC 5321 §6.1, RFC
			// 1047): the other host took it, and we died before we could note that.
			for k, c := range copies[1:] {
				again++
				if pageLink.FindString(c.raw) != link {
					t.Errorf("%s to %s came with two links", subject, who)
				}
				if !killedWithin(kills, copies[k].at, time.Second) {
					t.Errorf("%s to %s came again although nothing was killed", subject, who)
				}
			}
			if got := fetch(t, p, link+"/f/0/"+subject+".bin"); !bytes.Equal(got, movie(i)) {
				t.Errorf("behind the link of %s to %s are %d octets, want %d", subject, who, len(got), len(movie(i)))
			}
		}
	}
	if strings.Contains(p.Log(), "panic") {
		t.Errorf("a panic in the log:\n%s", p.Log())
	}
	t.Logf("%d kills: %d mails to %d recipients elsewhere, %d of %d had left before the blow, %d came again", n, n, len(guests), before, n*len(guests), again)
}

// killedWithin says whether a blow fell soon after a moment.
func killedWithin(kills []time.Time, at time.Time, d time.Duration) bool {
	for _, k := range kills {
		if since := k.Sub(at); since > -10*time.Millisecond && since < d {
			return true
		}
	}
	return false
}
