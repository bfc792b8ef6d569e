// Package workflow runs programs on the mails that members send to them.
//
// # The path of a mail to a program
//
//	Door        queues a job for the program in the transaction that stores the mail
//	Mux.Work    finds the processor of the address, makes an Inbound, calls Process
//	Processor   does its work in one transaction, and queues its notices in the same
//	Post.Work   writes each notice out and hands it to the Door
//
// A job may run twice: processors know their mails again by Inbound.Key, and
// each notice is keyed by mail, recipient and purpose, in the queue and at the
// Door. Only proven senders come this far, save to r.{token}: see Replies.
//
// # States of an inbound mail
//
//	pending → processing → delivered   the processor said nil
//	                     → bounced     it said why not, and the sender was told
//	                     → failed      it failed for two days, and the sender was told
//	                     → waiting     somebody is asked whether its sender is who they say
//	                                   (then processing again, or dropped)
//
// After 30 days the mail is forgotten, unless the thing made of it ended before.
package workflow

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/message"
)

// Processor is one program. nil means the mail is dealt with; a *Bounce is told
// to the sender, once; after any other error it is called again later, for two
// days. It may be called again for a mail it has dealt with.
type Processor interface {
	Process(ctx context.Context, in *Inbound) error
}

// Mux knows which program an address belongs to, and runs it.
// Fields are set, and Handle is called, before use.
type Mux struct {
	DB       *store.DB
	Blobs    *blob.Store
	Messages *message.Store
	Post     *Post

	// Claims hears of mails from other hosts that say they are a member's, and prove
	// nothing; nil drops them.
	Claims Claims

	// Trace remembers what a program made of a mail, in the transaction that
	// ends its job; nil remembers nothing.
	Trace func(ctx context.Context, tx *store.Tx, events ...delivery.Event) error

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil discards

	routes []route
}

// Claims asks members whether a mail is theirs.
type Claims interface {
	// Claim keeps the mail (Inbound.Wait) and asks the member, once for each mail;
	// their yes has it processed as theirs.
	Claim(ctx context.Context, in *Inbound, m mail.User) error
}

type route struct {
	pattern string
	before  string // what the local part begins with, lower case
	name    string // of the variable behind it; "" has none
	p       Processor
}

// variables says what may stand for a variable. An address with anything else
// is nobody's, and refused at RCPT, before its bytes were sent for nothing.
var variables = map[string]*regexp.Regexp{
	"days":  regexp.MustCompile(`^[0-9]{1,3}[jdh]?$`),
	"token": regexp.MustCompile(`^[a-z2-7]{26}$`),
	// A member's secret, and perhaps what would stand behind the + without one.
	"secret": regexp.MustCompile(`^[a-z2-7]{16}(\+[^\s/\\\x00-\x1f]{1,48})?$`),
	"name":   regexp.MustCompile(`^[^\s/\\\x00-\x1f]{1,48}$`),
}

// Handle says who processes mail to the addresses of a pattern: "envoi", or
// "album+{name}" with one variable at its end. It panics on a pattern it cannot
// serve.
func (m *Mux) Handle(pattern string, p Processor) {
	r := route{pattern: pattern, before: pattern, p: p}
	if before, name, ok := strings.Cut(pattern, "{"); ok {
		r.before, r.name = before, strings.TrimSuffix(name, "}")
		if before == "" || variables[r.name] == nil || name != r.name+"}" {
			panic(fmt.Sprintf("workflow: pattern %q", pattern))
		}
	}
	for _, have := range m.routes {
		if have.pattern == pattern {
			panic(fmt.Sprintf("workflow: pattern %q twice", pattern))
		}
	}
	m.routes = append(m.routes, r)
}

// Match finds the pattern of a local part, for accounts.Service.Programs.
func (m *Mux) Match(local string) (pattern string, ok bool) {
	r, _, ok := m.match(local)
	return r.pattern, ok
}

func (m *Mux) match(local string) (route, map[string]string, bool) {
	local = mail.FoldLocal(local)
	for _, r := range m.routes {
		if r.name == "" {
			if local == r.before {
				return r, nil, true
			}
			continue
		}
		if rest, ok := strings.CutPrefix(local, r.before); ok && variables[r.name].MatchString(rest) {
			vars := map[string]string{r.name: rest}
			if secret, more, ok := strings.Cut(rest, "+"); ok && r.name == "secret" {
				vars = map[string]string{"secret": secret, "days": more, "name": more}
			} else if r.before == "album." {
				vars["name"] = "scans"
			}
			return r, vars, true
		}
	}
	return route{}, nil, false
}

func (m *Mux) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

func (m *Mux) log() *slog.Logger {
	if m.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return m.Log
}
