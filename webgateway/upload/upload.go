// Package upload serves the pages where files are handed in, /d/TOKEN: a form
// that works without a script, and the resumable protocol (tus 1.0) for the
// script.
//
// GET and HEAD change nothing. Every request asks the place's link anew; what
// comes is streamed, never held in memory.
package upload

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"colporteur/webgateway/page"
	"colporteur/workflow/link"
	"colporteur/workflow/upload"
)

// Upload is the pages of one host.
type Upload struct {
	Pages  *page.Pages
	Places *upload.Service
	URL    string        // the public address of this site, for links that are shown
	Stall  time.Duration // how long a sender may send nothing; 0 is two minutes: a phone in a tunnel comes back within it
	Log    *slog.Logger  // nil discards
}

func (s *Upload) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// Routes adds the paths to mux.
func (s *Upload) Routes(mux *http.ServeMux) {
	handle := func(pattern string, h page.Handler) { mux.Handle(pattern, s.Pages.Handle(h)) }
	handle("GET /d/{token}", s.page)
	handle("POST /d/{token}", s.give)
	handle("POST /d/{token}/close", s.close)
	mux.HandleFunc("/d/{token}/u", s.tus)
	mux.HandleFunc("/d/{token}/u/{upload}", s.tus)
}

func visit(r *http.Request) link.Visit { return link.Visit{Token: link.Token(r.PathValue("token"))} }

// patient reads a body that may take hours, as long as something comes.
type patient struct {
	src     io.Reader
	control *http.ResponseController
	stall   time.Duration
	moved   time.Time
}

func (s *Upload) patient(w http.ResponseWriter, src io.Reader) *patient {
	p := &patient{src: src, control: http.NewResponseController(w), stall: s.Stall}
	if p.stall == 0 {
		p.stall = 2 * time.Minute
	}
	return p
}

func (p *patient) Read(b []byte) (int, error) {
	// One system call a second, not one for each block.
	if now := time.Now(); now.Sub(p.moved) > min(time.Second, p.stall/4) {
		if err := p.move(now); err != nil {
			return 0, err
		}
	}
	return p.src.Read(b)
}

// move puts off the moment at which the sender has been silent for too long.
func (p *patient) move(now time.Time) error {
	p.moved = now
	if err := p.control.SetReadDeadline(now.Add(p.stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
