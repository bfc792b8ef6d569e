package jmap

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/mailbox"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
	"colporteur/workflow/upload"
)

var transferType = &sharedType{
	name: "Transfer",
	properties: []string{"id", "title", "url", "mailto", "from", "createdAt", "expiresAt", "recalledAt", "graceUntil", "frozen", "needsPassword", "needsCode",
		"maxDownloads", "downloads", "size", "files", "recipients", "handIn"},
	state: stateOf(func(m marks) string { return m.transfers }),
	all: func(ctx context.Context, c *Call) ([]string, error) {
		ids, err := c.srv.Transfers.Mine(ctx, c.User.ID)
		return idsOf(transferKind, ids), err
	},
	query:    queryTransfers,
	objects:  transferObjects,
	create:   createTransfer,
	change:   changeTransfer,
	changing: []string{"expiresAt", "recalled", "password", "needsCode", "maxDownloads"},
	destroy: func(ctx context.Context, c *Call, id string) error {
		return changeTransfer(ctx, c, id, "recalled", jsontext.Value("true"))
	},
	also: map[string]func(context.Context, *Call, jsontext.Value) (any, error){"link": typed(linkTransfer), "uploadTo": typed(uploadToTransfer)},
	sort: "createdAt", newest: true,
}

const transferKind = 'T'

func transferOf(id string) (transfer.ID, error) {
	n, ok := number[transfer.ID](transferKind, id)
	if !ok {
		return 0, &setError{Type: "notFound"}
	}
	return n, nil
}

// transfer opens a transfer as its owner's link does.
func (c *Call) transfer(ctx context.Context, id string) (*transfer.View, error) {
	n, err := transferOf(id)
	if err != nil {
		return nil, err
	}
	v, err := c.srv.Transfers.Own(ctx, n, c.caller())
	if err != nil {
		return nil, err
	}
	return c.srv.Transfers.Open(ctx, v)
}

func transferObjects(ctx context.Context, c *Call, ids []string) (map[string]object, error) {
	out := map[string]object{}
	for _, id := range ids {
		t, err := c.transfer(ctx, id)
		if absent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n, err := c.srv.Transfers.Downloads(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		out[id] = c.transferObject(id, t, n)
	}
	return out, nil
}

func (c *Call) transferObject(id string, t *transfer.View, downloads int) object {
	o := object{"id": id, "title": t.Subject, "url": nil, "mailto": nil, "from": t.Origin(), "createdAt": utcDate(t.Created), "expiresAt": utcDate(t.Expires),
		"recalledAt": nil, "graceUntil": nil, "frozen": !t.Rules.Frozen.IsZero(), "needsPassword": t.Rules.Password != "", "needsCode": t.Rules.Code,
		"maxDownloads": nil, "downloads": downloads, "size": t.Size(), "handIn": t.Given()}
	if t.Recalled {
		o["recalledAt"] = utcDate(t.Ended)
	}
	if t.Over {
		end := t.Ended
		if end.IsZero() {
			end = t.Expires
		}
		o["graceUntil"] = utcDate(end.Add(transfer.Grace))
	} else if t.Share != "" && !t.Sealed() { // without its key a sealed one is of no use, and the key is not here
		o["url"] = c.srv.URL + "/t/" + string(t.Share)
	}
	if t.Rules.Downloads > 0 {
		o["maxDownloads"] = t.Rules.Downloads
	}
	files, people := []object{}, []string{}
	for _, f := range t.Files {
		seq := strconv.Itoa(f.Seq)
		files = append(files, object{"id": seq, "name": f.Name, "type": f.MediaType, "size": f.Size, "blobId": id + "-" + seq})
	}
	for _, g := range t.Guests {
		people = append(people, mailbox.ObjectID(guestKind, int64(g.ID)))
	}
	o["files"], o["recipients"] = files, people
	return o
}

func queryTransfers(ctx context.Context, c *Call, raw jsontext.Value) ([]string, error) {
	var f struct {
		Over *bool  `json:"over"`
		From string `json:"from"`
	}
	if err := filter(raw, &f); err != nil {
		return nil, err
	}
	ids, err := c.srv.Transfers.Mine(ctx, c.User.ID)
	out := idsOf(transferKind, ids)
	if err != nil || f.Over == nil && f.From == "" {
		return out, err
	}
	have, err := transferObjects(ctx, c, out)
	return slices.DeleteFunc(out, func(id string) bool {
		o := have[id]
		return o == nil || f.Over != nil && *f.Over != (o["graceUntil"] != nil) || f.From != "" && f.From != o["from"]
	}), err
}

// Bounds of what a client makes.
const (
	maxFiles = 500
	maxTitle = 200 // characters
)

func createTransfer(ctx context.Context, c *Call, raw jsontext.Value) (string, error) {
	var q struct {
		Title string `json:"title"`
		Files []struct {
			BlobID string  `json:"blobId"`
			Upload string  `json:"upload"`
			Name   *string `json:"name"`
			Type   *string `json:"type"`
		} `json:"files"`
		Quiet        bool           `json:"quiet"`
		Recipients   []inviteArg    `json:"recipients"`
		Days         int            `json:"days"`
		Password     jsontext.Value `json:"password"`
		NeedsCode    bool           `json:"needsCode"`
		MaxDownloads jsontext.Value `json:"maxDownloads"`
	}
	if err := json.Unmarshal(raw, &q, json.RejectUnknownMembers(true)); err != nil {
		return "", invalidProperties(why(err), where(err)...)
	}
	switch {
	case len(q.Files) == 0:
		return "", invalidProperties("a transfer has files", "files")
	case len(q.Files) > maxFiles || len(q.Recipients) > transfer.MaxGuests:
		return "", &setError{Type: "tooLarge", Description: "too many files, or recipients"}
	case q.Days < 0 || q.Days > transfer.MaxDays:
		return "", invalidProperties(fmt.Sprintf("at most %d days", transfer.MaxDays), "days")
	}
	rules := link.Defaults(link.Transfer)
	rules.Code = q.NeedsCode
	var err error
	if rules.Password, err = passwordOf(ctx, q.Password); err != nil {
		return "", err
	}
	if rules.Downloads, err = downloadsOf(q.MaxDownloads); err != nil {
		return "", err
	}
	h := &transfer.HandIn{Owner: c.User, Domain: c.User.Address.Domain, Subject: line(q.Title, maxTitle), Days: q.Days, Quiet: q.Quiet}
	seen := map[string]bool{c.User.Address.Key(): true}
	for _, r := range q.Recipients {
		to, _, err := r.read()
		if err != nil {
			return "", err
		}
		if !seen[to.Key()] {
			seen[to.Key()] = true
			h.Guests = append(h.Guests, to)
		}
	}
	room, err := c.room(ctx)
	if err != nil {
		return "", err
	}
	var kept []workflow.Kept
	var refs []blob.Ref
	var names, types []string
	var sent []upload.Secret
	for _, f := range q.Files {
		if f.Upload != "" && f.BlobID == "" {
			sent = append(sent, upload.Secret(f.Upload[strings.LastIndexByte(f.Upload, '/')+1:]))
			continue
		}
		k, t, err := c.held(ctx, f.BlobID, &room)
		if err != nil {
			c.let(kept...)
			return "", err
		}
		kept = append(kept, k)
		if k.Ref != nil {
			refs = append(refs, *k.Ref)
		}
		if f.Type != nil && *f.Type != "" {
			t = line(*f.Type, 255)
		}
		name := ""
		if f.Name != nil {
			name = *f.Name
		}
		names, types = append(names, name), append(types, t)
		h.Files = append(h.Files, transfer.File{MediaType: t, Size: k.Size, SHA256: k.SHA256, Blob: k.Blob})
	}
	for i, name := range fileNames(names, types) {
		h.Files[i].Name = name
	}
	id, err := c.srv.Transfers.TakeOwn(ctx, h, refs, rules, func(tx *store.Tx) ([]transfer.File, error) { return c.fromDesk(ctx, tx, sent, names, types) })
	if err != nil {
		c.let(kept...)
		if len(sent) > 0 && mail.Is(err, mail.NotFound) {
			err = invalidProperties("an upload is not there", "files")
		}
		return "", err
	}
	return mailbox.ObjectID(transferKind, int64(id)), nil
}

// fromDesk are files that were uploaded to the member's desk, named beside those
// that the transfer has already.
func (c *Call) fromDesk(ctx context.Context, tx *store.Tx, sent []upload.Secret, names, types []string) (files []transfer.File, err error) {
	for _, k := range sent {
		g, err := c.srv.Places.Take(ctx, tx, c.User.ID, k)
		if err != nil {
			return nil, err
		}
		names, types = append(names, g.Name), append(types, g.Type)
		files = append(files, transfer.File{MediaType: g.Type, Size: g.Size, SHA256: g.SHA256, Blob: g.Blob})
	}
	for i, name := range fileNames(names, types)[len(names)-len(files):] {
		files[i].Name = name
	}
	return files, nil
}

type uploadToArgs struct {
	AccountID string `json:"accountId"`
}

// uploadToTransfer says where files come up piece by piece (tus 1.0).
func uploadToTransfer(ctx context.Context, c *Call, a *uploadToArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	token, until, err := c.srv.Places.Desk(ctx, c.User)
	if err != nil {
		return nil, err
	}
	return object{"accountId": a.AccountID, "url": c.srv.URL + "/d/" + string(token) + "/u", "maxSize": c.srv.Places.Limit(), "expiresAt": utcDate(until)}, nil
}

func downloadsOf(v jsontext.Value) (int, error) {
	if null(v) {
		return 0, nil
	}
	var n int
	if err := json.Unmarshal(v, &n); err != nil || n < 1 || n > 1_000_000 {
		return 0, invalidProperties("it is a number from 1, or null", "maxDownloads")
	}
	return n, nil
}

func changeTransfer(ctx context.Context, c *Call, id, name string, v jsontext.Value) error {
	t, err := c.transfer(ctx, id)
	if err != nil {
		return err
	}
	rules := t.Rules
	switch name {
	case "expiresAt":
		var at time.Time
		if s, ok := textOf(v); !ok || at.UnmarshalText([]byte(s)) != nil {
			return invalidProperties("it is a UTCDate", name)
		}
		return c.srv.Transfers.Until(ctx, t.ID, c.caller(), at)
	case "recalled":
		on, err := truth(name, v)
		switch {
		case err != nil:
			return err
		case on:
			return c.srv.Transfers.Recall(ctx, t.ID, c.caller())
		case !t.Over:
			return nil
		}
		return c.srv.Transfers.Restore(ctx, t.ID, c.caller())
	case "password":
		rules.Password, err = passwordOf(ctx, v)
	case "needsCode":
		rules.Code, err = truth(name, v)
	case "maxDownloads":
		rules.Downloads, err = downloadsOf(v)
	}
	if err != nil {
		return err
	}
	return c.srv.Transfers.SetRules(ctx, t.ID, c.caller(), rules)
}

type linkArgs struct {
	AccountID string `json:"accountId"`
	ID        string `json:"id"`
}

// linkTransfer has a link to pass on, made anew when the owner took it away.
func linkTransfer(ctx context.Context, c *Call, a *linkArgs) (any, error) {
	if _, err := c.ownAccount(ctx, a.AccountID); err != nil {
		return nil, err
	}
	n, err := transferOf(c.idOf(a.ID))
	if err == nil {
		err = c.srv.Transfers.SetPublic(ctx, n, c.caller(), true)
	}
	if err != nil {
		return nil, noSuch(err)
	}
	have, err := transferObjects(ctx, c, []string{c.idOf(a.ID)})
	if err != nil {
		return nil, err
	}
	return object{"accountId": a.AccountID, "id": c.idOf(a.ID), "url": have[c.idOf(a.ID)]["url"]}, nil
}

// noSuch makes a method's error of one that is about an object.
func noSuch(err error) error {
	if absent(err) {
		return invalid("there is no such thing", "id")
	}
	return err
}

// transferBlob is a file of a transfer: "T…-0". What was taken back is gone for
// its owner's programs too, until they bring it back.
func (c *Call) transferBlob(ctx context.Context, id string) (*stream, error) {
	thing, part, _ := strings.Cut(id, "-")
	t, err := c.transfer(ctx, thing)
	if absent(err) {
		return nil, noBlob(id)
	}
	if err != nil {
		return nil, err
	}
	if t.Over {
		return nil, mail.Wrap(mail.Gone, fmt.Errorf("transfer %d has ended", t.ID))
	}
	for _, f := range t.Files {
		if strconv.Itoa(f.Seq) == part {
			return c.stored(id, f.MediaType, f.Size, f.Blob), nil
		}
	}
	return nil, noBlob(id)
}
