package jmap

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"colporteur/mail"
	"colporteur/store/contact"
	"colporteur/store/contact/vcard"
)

// contacts serves a member's cards as a file of vCards: all, those of an address
// book (?book=), or some (?ids=, with commas). ?version=4 is for programs; people
// carry 3.0 to their phones.
func (s *Server) contacts(w http.ResponseWriter, r *http.Request) {
	u, ok := s.member(w, r)
	if !ok {
		return
	}
	c := &Call{User: u, srv: s, ctx: r.Context(), name: "contacts"}
	err := c.serveContacts(w, r)
	if err == nil || r.Context().Err() != nil {
		return
	}
	k := mail.KindOf(err)
	var f *failure
	if errors.As(err, &f) {
		k = mail.NotFound
	}
	if ours(k) {
		s.log().ErrorContext(r.Context(), "contacts", "user", u.ID, "err", err)
	}
	(&problem{Type: "about:blank", Status: kinds[k].status, Detail: c.sentence(err)}).write(w)
}

func (c *Call) serveContacts(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	name, ok := strings.CutSuffix(r.PathValue("file"), ".vcf")
	if !ok || c.srv.Contacts == nil {
		return &failure{Type: "notFound"}
	}
	account, err := c.ownAccount(ctx, name)
	if err != nil {
		return err
	}
	var books []contact.BookID
	if q.Has("book") {
		b, ok := number[contact.BookID]('b', q.Get("book"))
		if !ok {
			return &failure{Type: "notFound"}
		}
		books = append(books, b)
	}
	var some map[string]bool
	if q.Has("ids") {
		some = map[string]bool{}
		for id := range strings.SplitSeq(q.Get("ids"), ",") {
			some[id] = true
		}
	}
	type named struct {
		id   contact.CardID
		name string
	}
	var list []named
	if _, err := c.srv.Contacts.Query(ctx, account, books, func(row *contact.Row) {
		if (len(books) == 0 || row.In(books[0])) && (some == nil || some[cardID(row.ID)]) {
			list = append(list, named{row.ID, row.Name})
		}
	}); err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b named) int { return strings.Compare(a.name, b.name) })
	version := vcard.Three
	if q.Get("version") == "4" {
		version = vcard.Four
	}
	h := w.Header()
	h.Set("Content-Type", "text/vcard; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="contacts.vcf"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
	for some := range slices.Chunk(list, cardsAtOnce) {
		ids := make([]contact.CardID, len(some))
		for i := range some {
			ids[i] = some[i].id
		}
		if err := c.writeCards(ctx, w, account, ids, version); err != nil {
			if ctx.Err() == nil {
				c.srv.log().WarnContext(ctx, "contacts", "user", c.User.ID, "err", err)
			}
			panic(http.ErrAbortHandler) // the reader sees that it is not whole
		}
	}
	return nil
}

func (c *Call) writeCards(ctx context.Context, w http.ResponseWriter, account mail.AccountID, ids []contact.CardID, v vcard.Version) error {
	list, _, err := c.srv.Contacts.Cards(ctx, account, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		i := slices.IndexFunc(list, func(k *contact.Card) bool { return k.ID == id })
		if i < 0 {
			continue // gone since
		}
		o, err := list[i].Object()
		if err != nil {
			return err
		}
		if err := c.intoURIs(ctx, account, o); err != nil {
			return err
		}
		if err := vcard.Write(w, o, contact.Title(o), v); err != nil {
			return err
		}
	}
	return nil
}
