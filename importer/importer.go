// Package importer copies a mailbox from another host over IMAP.
//
// The folders of the other mailbox are looked at first, so that it is known how
// much is to be copied; then they are copied one after the other, in batches
// that are filed in one transaction each and in the order of their UIDs there.
// Where the mail goes, and what came before, is the business of a Target: what
// is kept there says where to go on after any kind of end.
//
// The other host is not trusted to be well: connections break, single mails
// cannot be read. A mail that fails twice on its own is reported and passed
// over. Nothing is ever changed there: folders are opened with EXAMINE, bodies
// fetched with PEEK.
package importer

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"colporteur/delivery"
)

// Target is where mail is copied to.
type Target interface {
	// Open makes the mailbox for a folder, or with look only says what is there.
	Open(ctx context.Context, f delivery.ImportFolder, look bool) (delivery.ImportPlace, error)
	// Keep files mails of a place in their order, all or none. An error ends the
	// copying, unless it comes from reading a Body. No Body is read after it returns.
	Keep(ctx context.Context, place int64, mails []delivery.ImportMail) ([]Outcome, error)
}

// Outcome is what became of one mail; Why is the sentence for Skipped.
type Outcome struct {
	Imported delivery.Imported
	Why      string `json:",omitempty"`
}

// Importer copies one mailbox.
type Importer struct {
	Addr     string      // host:port
	Mode     Mode        // how the connection is protected
	TLS      *tls.Config // nil: the authorities that this machine trusts
	User     string
	Password string
	Folders  []string // names there; nil: all
	Look     bool     // copy nothing, only say what would be
	Target   Target
	Report   Report

	// Patience is how long to wait before each try to connect again after a
	// connection broke; nil is five tries within two minutes.
	Patience []time.Duration
}

// Report hears how it goes. Its methods are called one at a time.
type Report interface {
	// Plan is told once, when all folders were looked at.
	Plan(total Tally)
	// Progress is told after each batch: how much of the plan is done.
	Progress(folder string, mails int, bytes int64)
	// Failed is told of a mail that is not copied, or with UID 0 of a folder.
	Failed(folder string, uid uint32, why string)
	// Folder is told when a folder is done. to is our name of it.
	Folder(name, to string, done Tally)
}

// Tally counts mails.
type Tally struct {
	New    int   // copied, or to be copied
	Have   int   // here already
	Failed int   // not copied
	Bytes  int64 // of New
}

func (t *Tally) add(o Tally) {
	t.New += o.New
	t.Have += o.Have
	t.Failed += o.Failed
	t.Bytes += o.Bytes
}

var usualPatience = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, 60 * time.Second}

// ErrLogin means that the other host does not accept the name and password.
var ErrLogin = errors.New("name or password refused")

// ErrNoFolder means that the other mailbox has no folder of a wanted name.
var ErrNoFolder = errors.New("no such folder")

// ErrGone means that the other host could not be reached any more.
var ErrGone = errors.New("the other host does not answer any more")

// Run copies. The error is what ended it; mails that could not be copied are
// counted and do not.
func (im *Importer) Run(ctx context.Context) (Tally, error) {
	r := &run{Importer: im, source: &source{Importer: im}}
	defer r.source.close()
	stop := context.AfterFunc(ctx, r.source.cut)
	defer stop()
	err := r.all(ctx)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return r.done, err
}
