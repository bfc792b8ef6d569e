package admin

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"colporteur/mail"
	"colporteur/office"
	"colporteur/store"
	"colporteur/workflow/album"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// shared is a transfer or an album in the table.
type shared struct {
	Kind, What, From, Size, Until, Frozen string
	Path, Keep                            string

	frozen  bool
	created time.Time
}

func (p *Pages) links(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	transfers, err := p.Transfers.List(ctx)
	if err != nil {
		return err
	}
	albums, err := p.Albums.List(ctx)
	if err != nil {
		return err
	}
	sizes, err := p.Albums.Sizes(ctx)
	if err != nil {
		return err
	}
	frozen, err := p.Links.Frozen(ctx)
	if err != nil {
		return err
	}
	members, err := p.Accounts.Members(ctx)
	if err != nil {
		return err
	}
	// By address: how they call themselves is their own word.
	owners := map[mail.UserID]string{}
	for _, m := range members {
		owners[m.ID] = m.Address.String()
	}
	var rows []shared
	add := func(kind string, id int64, what, from string, size int64, until, created time.Time) {
		one := shared{Kind: v.T("office-kind-" + kind), What: what, From: from, Size: v.Size(size), Until: v.T("office-until-never"),
			Path: "/admin/links/" + kind + "/" + strconv.FormatInt(id, 10), Keep: v.Keep(), created: created}
		if one.What == "" {
			one.What = v.T("share-untitled")
		}
		if !until.IsZero() {
			one.Until = v.day(until)
		}
		if at := frozen[link.Thing{Kind: kind, ID: id}]; !at.IsZero() {
			one.frozen, one.Frozen = true, v.day(at)
		}
		rows = append(rows, one)
	}
	for _, t := range transfers {
		add(link.Transfer, int64(t.ID), t.Subject, owners[t.Member], t.Size(), t.Expires, t.Created)
	}
	for _, a := range albums {
		add(link.Album, int64(a.ID), a.Name, owners[a.Member], sizes[a.ID], a.Expires, a.Created)
	}
	slices.SortStableFunc(rows, func(a, b shared) int {
		if a.frozen != b.frozen {
			if a.frozen {
				return -1
			}
			return 1
		}
		return b.created.Compare(a.created)
	})
	return p.show(w, r, v, "links", struct {
		Count string
		Rows  []shared
	}{v.T("office-links-count", "Count", len(rows)), rows})
}

// changeLink freezes what is shared, or lets it be seen again: its owner goes on
// seeing it, and everybody else finds nothing.
func (p *Pages) changeLink(w http.ResponseWriter, r *http.Request, v *visit) error {
	kind := r.PathValue("kind")
	id, err := strconv.ParseInt(r.PathValue("thing"), 10, 64)
	do := map[string]string{"freeze": office.Froze, "unfreeze": office.Unfroze}[r.PathValue("do")]
	if err != nil || do == "" {
		return nothing()
	}
	ctx := r.Context()
	about, err := p.named(ctx, kind, id)
	if err != nil {
		return err
	}
	if err := p.DB.Write(ctx, func(tx *store.Tx) error { return p.Links.Freeze(ctx, tx, kind, id, do == office.Froze) }); err != nil {
		return err
	}
	if err := p.note(ctx, v, do, about); err != nil {
		return err
	}
	return v.done(w, r, "/admin/links", do)
}

// named is how a thing that lives is called; kind NotFound.
func (p *Pages) named(ctx context.Context, kind string, id int64) (string, error) {
	switch kind {
	case link.Transfer:
		all, err := p.Transfers.List(ctx)
		for _, t := range all {
			if t.ID == transfer.ID(id) {
				return t.From + " · " + t.Subject, err
			}
		}
		if err != nil {
			return "", err
		}
	case link.Album:
		all, err := p.Albums.List(ctx)
		for _, a := range all {
			if a.ID == album.ID(id) {
				return a.From + " · " + a.Name, err
			}
		}
		if err != nil {
			return "", err
		}
	}
	return "", mail.Refuse(mail.NotFound, "kind-not-found")
}
