package account

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/store/mailbox"
)

const (
	exportsAtOnce = 2                // of the host: each keeps a core busy
	entriesAtOnce = 500              // mails whose places are read at once
	stalled       = time.Minute      // that a browser may take nothing
	looked        = 10 * time.Second // how often it is seen whether the session goes on
)

func (p *Pages) export(w http.ResponseWriter, r *http.Request, v *visit) error {
	used, err := p.Mailboxes.Usage(r.Context(), v.user.Account)
	if err != nil {
		return err
	}
	return v.draw(p, w, "account-export.html", "export", "account-export-title", v.Size(used))
}

// begin takes one of the few places; kind RateLimited.
func (p *Pages) begin(u mail.UserID) (end func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exports[u] || len(p.exports) >= exportsAtOnce {
		return nil, mail.Refuse(mail.RateLimited, "account-export-busy")
	}
	if p.exports == nil {
		p.exports = map[mail.UserID]bool{}
	}
	p.exports[u] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.exports, u)
	}, nil
}

// send streams everything: nothing is stored, and nothing is held in memory but
// what is on its way.
func (p *Pages) send(w http.ResponseWriter, r *http.Request, v *visit) error {
	boxes, err := p.Mailboxes.List(r.Context(), v.user.Account)
	if err != nil {
		return err
	}
	end, err := p.begin(v.user.ID)
	if err != nil {
		return v.again(err, func() error { return p.export(w, r, v) })
	}
	defer end()
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s.zip"`, v.T("account-export-file"), p.now().Format(time.DateOnly)))
	out := &patient{w: w, rc: http.NewResponseController(w)}
	defer out.rc.SetWriteDeadline(time.Time{}) // the connection may serve again
	x := &exporter{Pages: p, r: r, v: v, zip: zip.NewWriter(out), names: map[string]bool{}, looked: time.Now()}
	x.zip.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	if err := x.text(v.T("account-export-readme-name"), v.T("account-export-readme", "Address", v.user.Address.String(), "Date", v.Date(p.now()))); err != nil {
		return err
	}
	for _, b := range boxes {
		if err := x.folder(r.Context(), b); err != nil {
			return err
		}
	}
	if len(x.unread) > 0 {
		if err := x.text(v.T("account-export-unread-name"), v.T("account-export-unread")+"\n\n"+strings.Join(x.unread, "\n")+"\n"); err != nil {
			return err
		}
	}
	return x.zip.Close()
}

// patient waits for a slow line, and not for one that is dead.
type patient struct {
	w  io.Writer
	rc *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	p.rc.SetWriteDeadline(time.Now().Add(stalled)) // an error: not a socket
	return p.w.Write(b)
}

type exporter struct {
	*Pages
	r      *http.Request
	v      *visit
	zip    *zip.Writer
	names  map[string]bool
	unread []string // mails that are damaged: one shall not keep back all others
	looked time.Time
}

func (x *exporter) text(name, text string) error {
	w, err := x.entry(name)
	if err == nil {
		_, err = io.WriteString(w, strings.ReplaceAll(text, "\n", "\r\n"))
	}
	return err
}

func (x *exporter) entry(name string) (io.Writer, error) {
	return x.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: x.now()})
}

// still says whether whoever began is signed in yet.
func (x *exporter) still() error {
	if time.Since(x.looked) < looked {
		return nil
	}
	x.looked = time.Now()
	_, err := x.Doors.Sessions.User(x.r)
	return err
}

func (x *exporter) folder(ctx context.Context, b mailbox.Mailbox) error {
	f, err := x.entry(x.name(b.Name))
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	after := mailbox.UID(0)
	for {
		entries, err := x.Mailboxes.Entries(ctx, b.ID, after, entriesAtOnce)
		if err != nil && !mail.Is(err, mail.NotFound) {
			return err
		}
		if len(entries) == 0 { // or it was removed meanwhile
			return w.Flush()
		}
		after = entries[len(entries)-1].UID
		ids := make([]mailbox.EmailID, len(entries))
		for i, e := range entries {
			ids[i] = e.Email
		}
		bodies, err := x.Mailboxes.Bodies(ctx, x.v.user.Account, ids, false)
		if err != nil {
			return err
		}
		for i, e := range entries {
			if err := x.still(); err != nil {
				return err
			}
			if bodies[i] == nil {
				continue
			}
			err := x.mail(ctx, w, e, bodies[i])
			var unread errUnread
			if errors.As(err, &unread) && ctx.Err() == nil {
				x.unread = append(x.unread, fmt.Sprintf("%s: %s (%s)", b.Name, x.v.Date(e.Date), x.v.Size(e.Size)))
				continue
			}
			if err != nil {
				return err
			}
		}
	}
}

func (x *exporter) mail(ctx context.Context, w *bufio.Writer, e mailbox.Entry, b *mailbox.Body) error {
	body, err := x.Mailboxes.OpenBody(ctx, b, 0)
	if err != nil {
		return errUnread{err}
	}
	defer body.Close()
	return writeMbox(w, body, e.Date, e.Flags)
}

// name is a mailbox as a file that every system can have, and no two the same.
func (x *exporter) name(folder string) string {
	parts := strings.Split(folder, "/")
	for i, part := range parts {
		part = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || strings.ContainsRune(`<>:"\|?*`, r) {
				return '_'
			}
			return r
		}, part)
		part = strings.TrimRight(part, ". ")
		if part == "" || part[0] == '.' {
			part = "_" + part
		}
		parts[i] = part
	}
	name := strings.Join(parts, "/")
	for n := 2; x.names[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s (%d)", strings.Join(parts, "/"), n)
	}
	x.names[strings.ToLower(name)] = true
	return name + ".mbox"
}
