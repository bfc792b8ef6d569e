package jmap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"

	"github.com/go-json-experiment/json"

	"colporteur/mail"
	"colporteur/store/mailbox"
	"colporteur/workflow/album"
	"colporteur/workflow/transfer"
)

// Capabilities that clients may use.
const (
	usingCore       = "urn:ietf:params:jmap:core"
	usingMail       = "urn:ietf:params:jmap:mail"
	usingSubmission = "urn:ietf:params:jmap:submission"
	usingVacation   = "urn:ietf:params:jmap:vacationresponse"
	usingQuota      = "urn:ietf:params:jmap:quota"
	usingWebSocket  = "urn:ietf:params:jmap:websocket"
	// Our own, which doc.go describes: what is said about mails that RFC 8621 has no
	// words for, and what members share.
	usingOwnMail = "urn:colporteur:params:jmap:mail"
	usingSharing = "urn:colporteur:params:jmap:sharing"
)

// capabilities are all of them, with what the session says about each.
var capabilities = map[string]any{
	usingCore: map[string]any{
		"maxSizeUpload": maxSizeUpload, "maxConcurrentUpload": maxConcurrentUpload, "maxSizeRequest": maxSizeRequest,
		"maxConcurrentRequests": maxConcurrentRequests, "maxCallsInRequest": maxCallsInRequest,
		"maxObjectsInGet": maxObjectsInGet, "maxObjectsInSet": maxObjectsInSet, "collationAlgorithms": []string{"i;unicode-casemap"},
	},
	usingMail:        struct{}{},
	usingSubmission:  struct{}{},
	usingVacation:    struct{}{},
	usingQuota:       struct{}{},
	usingBlob:        struct{}{},
	usingContacts:    struct{}{},
	usingOwnMail:     struct{}{},
	usingOurContacts: struct{}{},
	usingSharing:     struct{}{},
	usingWebSocket:   struct{}{}, // with the host's address in its session
}

// ofAccount is what the session says about an account (RFC 8621 §1.3).
func (s *Server) ofAccount(own bool) map[string]any {
	all := map[string]any{
		usingMail: map[string]any{
			"maxMailboxesPerEmail": nil, "maxMailboxDepth": nil, "maxSizeMailboxName": 255, "maxSizeAttachmentsPerEmail": s.maxAttachments(),
			"emailQuerySortOptions": sortOptions(), "mayCreateTopLevelMailbox": own,
		},
		usingQuota:   struct{}{},
		usingBlob:    blobOfAccount(),
		usingOwnMail: struct{}{},
	}
	if own {
		all[usingContacts], all[usingOurContacts] = contactsOfAccount()
		all[usingSharing] = map[string]any{"maxTransferDays": transfer.MaxDays, "maxGuests": transfer.MaxGuests, "maxFiles": maxFiles, "maxPhotos": album.MaxAlbum}
		all[usingSubmission] = map[string]any{"maxDelayedSend": int(maxDelay.Seconds()), "submissionExtensions": map[string][]string{"FUTURERELEASE": {}, "DSN": {}}}
		all[usingVacation] = struct{}{}
	}
	return all
}

// maxAttachments is how many octets of files a mail may have: those that are more
// go as links.
func (s *Server) maxAttachments() int64 {
	if s.MaxMessage == 0 {
		return maxSizeUpload
	}
	return min(s.MaxMessage, maxSizeUpload)
}

// session answers RFC 8620 §2.
func (s *Server) session(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	o, state, err := s.sessionOf(r.Context(), u)
	if err != nil {
		s.log().ErrorContext(r.Context(), "jmap session", "user", u.ID, "err", err)
		(&problem{Type: "about:blank", Status: kinds[mail.KindOf(err)].status}).write(w)
		return
	}
	o["state"] = state
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache, no-store, must-revalidate")
	json.MarshalWrite(w, o, json.Deterministic(true))
}

// sessionOf is the session object without its state, which is a hash of it.
func (s *Server) sessionOf(ctx context.Context, u mail.User) (o map[string]any, state string, err error) {
	ids, err := s.Mailboxes.Accounts(ctx, u)
	if err != nil {
		return nil, "", err
	}
	names, err := s.Accounts.AddressesOf(ctx, ids)
	if err != nil {
		return nil, "", err
	}
	own := accountID(u.Account)
	accounts := map[string]any{}
	for _, id := range ids {
		name := names[id].String()
		if id == u.Account {
			name = u.Address.String()
		}
		accounts[accountID(id)] = map[string]any{"name": name, "isPersonal": id == u.Account, "isReadOnly": false, "accountCapabilities": s.ofAccount(id == u.Account)}
	}
	primary := map[string]string{}
	for name := range capabilities {
		primary[name] = own
	}
	delete(primary, usingWebSocket) // it is of no account
	here := maps.Clone(capabilities)
	here[usingWebSocket] = map[string]any{"url": s.websocketURL(), "supportsPush": true}
	if about, err := s.pushCapability(ctx); err != nil {
		return nil, "", err
	} else if about != nil {
		here[usingPush] = about
	}
	base := s.URL + "/jmap/"
	o = map[string]any{
		"capabilities": here, "accounts": accounts,
		"primaryAccounts": primary,
		"username":        u.Address.String(), "apiUrl": base + "api", "downloadUrl": base + "download/{accountId}/{blobId}/{name}?accept={type}",
		"uploadUrl": base + "upload/{accountId}/", "eventSourceUrl": base + "events?types={types}&closeafter={closeafter}&ping={ping}",
	}
	raw, err := json.Marshal(o, json.Deterministic(true))
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(raw)
	return o, hex.EncodeToString(sum[:8]), nil
}

func (s *Server) sessionState(ctx context.Context, u mail.User) (string, error) {
	_, state, err := s.sessionOf(ctx, u)
	return state, err
}

func accountID(a mail.AccountID) string { return mailbox.ObjectID('a', int64(a)) }

// account is the account that a call names; kind of failure: accountNotFound.
func (c *Call) account(ctx context.Context, id string) (mail.AccountID, error) {
	if id == "" {
		return 0, invalid("which account is meant must be said", "accountId")
	}
	n, ok := mailbox.ParseObjectID('a', id)
	if ok && mail.AccountID(n) == c.User.Account {
		return c.User.Account, nil
	}
	if ok && c.accounts == nil {
		all, err := c.srv.Mailboxes.Accounts(ctx, c.User)
		if err != nil {
			return 0, err
		}
		c.accounts = all
	}
	for _, a := range c.accounts {
		if ok && a == mail.AccountID(n) {
			return a, nil
		}
	}
	return 0, &failure{Type: "accountNotFound", Description: fmt.Sprintf("there is no account %s", quoted(id))}
}

// ownAccount is account for what others' accounts do not have.
func (c *Call) ownAccount(ctx context.Context, id string) (mail.AccountID, error) {
	a, err := c.account(ctx, id)
	if err == nil && a != c.User.Account {
		err = &failure{Type: "accountNotSupportedByMethod"}
	}
	return a, err
}
