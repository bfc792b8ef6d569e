package notify

import (
	"context"
	"slices"

	"colporteur/locale"
	"colporteur/locale/letter"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/workflow/link"
)

// settings is the link by which somebody says what they want to hear: a
// member's own (Manage; its thing is the member), else one for the guest's link
// to a thing. It opens nothing else, so it may stand in a header field, and it
// never expires: what was sent must be stoppable for as long as it lies about.
func (s *Service) settings(ctx context.Context, tx *store.Tx, member mail.UserID, of link.Link, person mail.Address, lang string) (link.Link, error) {
	l := link.Link{Kind: link.Settings, Thing: int64(of.ID), Owner: of.Owner, Person: person, Lang: lang}
	if member != 0 {
		l.Thing, l.Owner, l.Manage = int64(member), member, true
	}
	if l.Thing == 0 {
		return link.Link{}, nil // nobody's, and about nothing: there is nothing to stop
	}
	have, err := s.Links.In(ctx, tx, l.Kind, l.Thing)
	if err != nil {
		return link.Link{}, err
	}
	for _, h := range have {
		if h.Manage == l.Manage {
			return h, nil
		}
	}
	l, _, err = s.Links.Add(ctx, tx, l)
	return l, err
}

// footed is the letter of a note with the way to its settings below.
func footed(n *Note, stop link.Link) letter.Letter {
	l := n.Letter
	if stop.ID == 0 {
		return l
	}
	l.Blocks = slices.Clone(l.Blocks)
	l.LinkTo(locale.For(n.Lang).T(settingsWords(n.Member)), int64(stop.ID))
	return l
}

// settingsWords stand before the address of the settings.
func settingsWords(member mail.UserID) string {
	if member == 0 {
		return "notify-settings-link-guest"
	}
	return "notify-settings-link"
}

// Settings is what somebody who comes with a settings link can set.
type Settings struct {
	Link    link.Link
	Choices []Choice // a member's
	Quiet   bool     // a guest's: no more mails come
}

// Open finds what a settings link is for; kind NotFound. It changes nothing:
// programs that look at mails open what they find in them.
func (s *Service) Open(ctx context.Context, v link.Visit) (st *Settings, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		st, err = s.opened(ctx, tx, v)
		return err
	})
	return st, err
}

func (s *Service) opened(ctx context.Context, tx *store.Tx, v link.Visit) (*Settings, error) {
	l, err := s.Links.OpenIn(ctx, tx, v)
	if err != nil {
		return nil, err
	}
	if l.Kind != link.Settings {
		return nil, mail.Refuse(mail.NotFound, "kind-not-found")
	}
	st := &Settings{Link: l}
	if l.Manage {
		st.Choices, err = choices(ctx, tx, l.Owner)
		return st, err
	}
	of, err := s.Links.GetIn(ctx, tx, link.ID(l.Thing))
	if mail.Is(err, mail.NotFound) { // it has ended: nothing comes any more
		st.Quiet = true
		return st, nil
	}
	st.Quiet = !of.Quiet.IsZero()
	return st, err
}

// Everything is the name, beside those of kinds, of what Stop ends of a
// member's daily mail.
const Everything = "daily"

// Stoppable says whether what is a name that Stop knows.
func Stoppable(what string) bool {
	return what == Everything || Kind(what).Known() && Kind(what).repeats()
}

// Stop is one push of a button (RFC 8058): a guest hears no more of the thing,
// a member no more of a kind of news, or of what comes daily. Again is no error.
func (s *Service) Stop(ctx context.Context, v link.Visit, what string) (st *Settings, err error) {
	if !Stoppable(what) {
		return nil, mail.Refuse(mail.NotFound, "kind-not-found")
	}
	return s.change(ctx, v, func(ctx context.Context, tx *store.Tx, st *Settings) error { return s.stop(ctx, tx, st.Link, what) })
}

// Resume takes a guest's Stop back.
func (s *Service) Resume(ctx context.Context, v link.Visit) (*Settings, error) {
	return s.change(ctx, v, func(ctx context.Context, tx *store.Tx, st *Settings) error {
		if st.Link.Manage {
			return nil
		}
		return s.Links.Silence(ctx, tx, link.ID(st.Link.Thing), false)
	})
}

// Set sets what a member chose on the page; kinds that are not named stay.
func (s *Service) Set(ctx context.Context, v link.Visit, chosen map[Kind]When) (*Settings, error) {
	return s.change(ctx, v, func(ctx context.Context, tx *store.Tx, st *Settings) error {
		for _, c := range st.Choices { // a guest has none
			w, ok := chosen[c.Kind]
			if !ok || w == c.When {
				continue // what is still the default stays it
			}
			if err := s.Choose(ctx, tx, st.Link.Owner, c.Kind, w); err != nil {
				return err
			}
		}
		return nil
	})
}

// SetOf sets what a member who is signed in chose; kinds that are not named stay.
func (s *Service) SetOf(ctx context.Context, member mail.UserID, chosen map[Kind]When) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		cs, err := choices(ctx, tx, member)
		for _, c := range cs {
			if w, ok := chosen[c.Kind]; ok && w != c.When && err == nil {
				err = s.Choose(ctx, tx, member, c.Kind, w)
			}
		}
		return err
	})
}

// change opens, changes and looks again, in one transaction.
func (s *Service) change(ctx context.Context, v link.Visit, f func(context.Context, *store.Tx, *Settings) error) (st *Settings, err error) {
	err = s.DB.Write(ctx, func(tx *store.Tx) error {
		if st, err = s.opened(ctx, tx, v); err != nil {
			return err
		}
		if err := f(ctx, tx, st); err != nil {
			return err
		}
		st, err = s.opened(ctx, tx, v)
		return err
	})
	return st, err
}

func (s *Service) stop(ctx context.Context, tx *store.Tx, l link.Link, what string) error {
	if !l.Manage {
		return s.Links.Silence(ctx, tx, link.ID(l.Thing), true)
	}
	if what != Everything {
		return s.Choose(ctx, tx, l.Owner, Kind(what), Never)
	}
	cs, err := choices(ctx, tx, l.Owner)
	if err != nil {
		return err
	}
	for _, c := range cs {
		if !c.inDigest() {
			continue
		}
		if err := s.Choose(ctx, tx, l.Owner, c.Kind, Never); err != nil {
			return err
		}
	}
	return nil
}

// inDigest says whether the button of the daily mail ends news of this kind.
func (c Choice) inDigest() bool {
	return c.Kind.repeats() && (c.When == Daily || c.Kind == Album && !c.Chosen)
}
