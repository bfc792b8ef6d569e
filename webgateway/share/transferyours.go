package share

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"colporteur/mail"
	"colporteur/webgateway/page"
	"colporteur/workflow/link"
	"colporteur/workflow/transfer"
)

// transferYours is what only the owner's page has.
type transferYours struct {
	EraseAt time.Time // Over: when the bytes go
	People  []recipient
}

// recipient is somebody who has a link of their own, and what they fetched.
type recipient struct {
	ID   link.ID
	Name string
	Has  int
	All  time.Time
}

func transferOf(t *transfer.View) transferYours {
	y := transferYours{EraseAt: t.Ended}
	if y.EraseAt.IsZero() {
		y.EraseAt = t.Expires
	}
	y.EraseAt = y.EraseAt.Add(transfer.Grace)
	for _, g := range t.Guests {
		y.People = append(y.People, recipient{g.ID, whole(g.Link), g.Has, g.All})
	}
	return y
}

// whole is a person's name with their address.
func whole(l link.Link) string {
	if a := l.Person.String(); l.Name != "" && l.Name != a {
		return l.Name + " (" + a + ")"
	}
	return l.Person.String()
}

// ownedTransfer opens a transfer for its owner; to everybody else what they ask
// for is not there.
func (s *Share) ownedTransfer(r *http.Request) (*transfer.View, page.View, error) {
	t, err := s.Transfers.Open(r.Context(), visit(r))
	if err == nil && !t.Manage {
		err = notFound()
	}
	if err != nil {
		return nil, page.View{}, err
	}
	return t, page.See(r, t.Link.Lang), nil
}

func (s *Share) recallTransfer(w http.ResponseWriter, r *http.Request) error {
	t, v, err := s.ownedTransfer(r)
	if err != nil {
		return err
	}
	if err := s.Transfers.Recall(r.Context(), t.ID, link.Holder(t.Link)); err != nil {
		return err
	}
	// Their page stays, and shows how to bring the files back.
	return back(w, r, v, base(r), "t-recalled")
}

func (s *Share) restoreTransfer(w http.ResponseWriter, r *http.Request) error {
	t, v, err := s.ownedTransfer(r)
	if err != nil {
		return err
	}
	if err := s.Transfers.Restore(r.Context(), t.ID, link.Holder(t.Link)); err != nil {
		return err
	}
	return back(w, r, v, base(r), "t-restored")
}

func (s *Share) extendTransfer(w http.ResponseWriter, r *http.Request) error {
	t, v, err := s.ownedTransfer(r)
	if err != nil {
		return err
	}
	if _, err := s.Transfers.Extend(r.Context(), t.ID, link.Holder(t.Link)); err != nil {
		return err
	}
	return back(w, r, v, base(r), "t-extended")
}

func (s *Share) publishTransfer(w http.ResponseWriter, r *http.Request) error {
	t, v, err := s.ownedTransfer(r)
	if err != nil {
		return err
	}
	if err := s.Transfers.SetPublic(r.Context(), t.ID, link.Holder(t.Link), r.PostFormValue("on") == "1"); err != nil {
		return err
	}
	return back(w, r, v, base(r), "rules")
}

func (s *Share) inviteToTransfer(w http.ResponseWriter, r *http.Request) error {
	t, v, err := s.ownedTransfer(r)
	if err != nil {
		return err
	}
	guests, err := invited(r)
	if err != nil {
		return err
	}
	var to []mail.Address
	for _, g := range guests {
		to = append(to, g.Address)
	}
	if len(to) > 0 {
		if err := s.Transfers.Invite(r.Context(), t.ID, link.Holder(t.Link), to); err != nil {
			return err
		}
	}
	return back(w, r, v, base(r), "t-invited")
}

func (s *Share) revokeFromTransfer(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r, "guest")
	if err != nil {
		return err
	}
	t, v, err := s.ownedTransfer(r)
	if err != nil {
		return err
	}
	if err := s.Transfers.RevokeGuest(r.Context(), t.ID, link.Holder(t.Link), link.ID(id)); err != nil {
		return err
	}
	return back(w, r, v, base(r), "t-revoked")
}

func (s *Share) ruleTransfer(w http.ResponseWriter, r *http.Request) error {
	t, v, err := s.ownedTransfer(r)
	if err != nil {
		return err
	}
	rules := t.Rules
	rules.Code, rules.Downloads = ticked(r, "code"), 0
	if most := strings.TrimSpace(r.PostFormValue("downloads")); most != "" {
		n, err := strconv.Atoi(most)
		if err != nil || n < 0 || n > 1_000_000 {
			return mail.Refuse(mail.BadSyntax, "share-downloads-bad")
		}
		rules.Downloads = n
	}
	if err := password(r, &rules); err != nil {
		return err
	}
	if err := s.Transfers.SetRules(r.Context(), t.ID, link.Holder(t.Link), rules); err != nil {
		return err
	}
	return back(w, r, v, base(r), "rules")
}
