package jmap

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"colporteur/dkim/authres"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

// Leaving a list with one button (RFC 8058): the member's wish goes out from us,
// so that the list does not learn where they read their mail.

var unsubscribeMethods = map[string]method{"Email/unsubscribe": {usingOwnMail, typed(unsubscribe)}}

type unsubscribeArgs struct {
	AccountID string `json:"accountId"`
	EmailID   string `json:"emailId"`
}

// unsubscribed says whether the list took it, and why not when it did not.
type unsubscribed struct {
	AccountID string `json:"accountId"`
	Done      bool   `json:"done"`
	Status    int    `json:"status"` // of HTTP, 0: it was not reached
}

func unsubscribe(ctx context.Context, c *Call, a *unsubscribeArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	if c.srv.Outward == nil {
		return nil, &failure{Type: "unknownMethod"}
	}
	id, ok := number[mailbox.EmailID]('e', c.idOf(a.EmailID))
	if !ok {
		return nil, invalid("there is no email "+quoted(a.EmailID), "emailId")
	}
	letters, err := c.letters(ctx, account, []mailbox.EmailID{id}, true)
	if err != nil {
		return nil, err
	}
	if letters[0] == nil {
		return nil, invalid("there is no email "+quoted(a.EmailID), "emailId")
	}
	url, err := c.oneClick(ctx, letters[0])
	if err != nil {
		return nil, err
	}
	out := &unsubscribed{AccountID: a.AccountID}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("List-Unsubscribe=One-Click"))
	if err != nil {
		return nil, invalid("the list's address is none", "emailId")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := c.srv.Outward.Do(r)
	if err != nil {
		c.srv.log().InfoContext(ctx, "a list was not left", "user", c.User.ID, "host", r.URL.Host, "err", errors.Unwrap(err))
		return out, nil
	}
	answer.Body.Close()
	out.Status = answer.StatusCode
	out.Done = answer.StatusCode >= 200 && answer.StatusCode < 300
	return out, nil
}

var oneClickField = regexp.MustCompile(`(?i)^\s*List-Unsubscribe\s*=\s*One-Click\s*$`)

// oneClick is the address that leaves the list of l: an https one, in a mail whose
// sender is proven and signed these two fields (RFC 8058 §4). Otherwise anybody
// could have us post to an address of their choice.
func (c *Call) oneClick(ctx context.Context, l *letter) (string, error) {
	fields, err := l.fields(ctx)
	if err != nil {
		return "", err
	}
	var way, post string
	var signatures []string
	for _, f := range fields {
		switch strings.ToLower(f.name) {
		case "list-unsubscribe":
			way = f.raw
		case "list-unsubscribe-post":
			post = f.raw
		case "dkim-signature":
			signatures = append(signatures, f.raw)
		}
	}
	if !oneClickField.MatchString(post) {
		return "", invalid("the list has no button", "emailId")
	}
	v, _, ok := authres.FromPrefix(l.prefix, c.srv.Hostname)
	if !ok || v == nil || !signed(v, signatures) {
		return "", invalid("nothing proves that the sender wrote this button", "emailId")
	}
	for _, s := range strings.Split(way, ",") {
		s = strings.Join(strings.Fields(s), "")
		if s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">"); len(s) > 8 && strings.EqualFold(s[:8], "https://") {
			return s, nil
		}
	}
	return "", invalid("the list's button leads nowhere", "emailId")
}

// signed says whether one of the signatures that held covers both fields.
func signed(v *mail.Verdict, signatures []string) bool {
	for _, s := range signatures {
		tags := map[string]string{}
		for _, t := range strings.Split(s, ";") {
			name, value, _ := strings.Cut(t, "=")
			tags[strings.TrimSpace(name)] = strings.Join(strings.Fields(value), "")
		}
		covered := map[string]bool{}
		for _, h := range strings.Split(strings.ToLower(tags["h"]), ":") {
			covered[h] = true
		}
		if !covered["list-unsubscribe"] || !covered["list-unsubscribe-post"] {
			continue
		}
		for _, d := range v.DKIM {
			if d.Result == mail.Pass && !d.Partial && strings.EqualFold(d.Domain, tags["d"]) && (d.Selector == "" || strings.EqualFold(d.Selector, tags["s"])) {
				return true
			}
		}
	}
	return false
}
