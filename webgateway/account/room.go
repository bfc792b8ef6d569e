package account

import (
	"net/http"
	"slices"
	"time"

	"colporteur/store/mailbox"
)

const (
	largeMail = 1 << 20 // octets from which on a mail is worth showing
	largest   = 15      // so many are shown
)

type roomBody struct {
	Words   string
	Percent int64 // 0: no limit
	Folders []folderRoom
	Mails   []mailRoom
}

type folderRoom struct {
	Name, Size string
	Count      int
}

type mailRoom struct {
	Subject, From, Date, Size, Folder string
	Path                              string // in the webmail, where it can be deleted
}

// room is what takes the room: folders and mails, the largest first.
func (p *Pages) room(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, u := r.Context(), v.user
	m, err := p.Accounts.ByID(ctx, u.ID)
	if err != nil {
		return err
	}
	used, err := p.Mailboxes.Usage(ctx, u.Account)
	if err != nil {
		return err
	}
	b := roomBody{Words: roomWords(v.Printer, used, m.Quota)}
	if m.Quota > 0 {
		b.Percent = max(1, min(used, m.Quota)*100/m.Quota)
	}
	boxes, err := p.Mailboxes.List(ctx, u.Account)
	if err != nil {
		return err
	}
	names := map[mailbox.ID]string{}
	for i := range boxes {
		names[boxes[i].ID] = v.folder(boxes[i])
	}
	slices.SortStableFunc(boxes, func(a, b mailbox.Mailbox) int { return int(min(max(b.Size-a.Size, -1), 1)) })
	for _, box := range boxes {
		if box.Size > 0 {
			b.Folders = append(b.Folders, folderRoom{names[box.ID], v.Size(box.Size), box.Total})
		}
	}
	if b.Mails, err = p.largest(r, v, names); err != nil {
		return err
	}
	return v.draw(p, w, "account-room.html", "room", "account-room-title", b)
}

// folder is a mailbox as people call it.
func (v *visit) folder(m mailbox.Mailbox) string {
	if m.Role == mailbox.Inbox {
		return v.T("account-inbox")
	}
	return m.Name
}

func (p *Pages) largest(r *http.Request, v *visit, names map[mailbox.ID]string) (list []mailRoom, err error) {
	ctx, u := r.Context(), v.user
	least := int64(largeMail)
	ids, err := p.Mailboxes.QueryAll(ctx, u, u.Account, &mailbox.AccountQuery{Filter: &mailbox.Filter{Condition: &mailbox.Condition{MinSize: &least}},
		Sort: []mailbox.EmailOrder{{By: mailbox.BySize, Reverse: true}}})
	if err != nil {
		return nil, err
	}
	ids = ids[:min(len(ids), largest)]
	mails, err := p.Mailboxes.Emails(ctx, u, u.Account, ids)
	if err != nil {
		return nil, err
	}
	bodies, err := p.Mailboxes.Bodies(ctx, u.Account, ids, true)
	if err != nil {
		return nil, err
	}
	for i, m := range mails {
		if m == nil || bodies[i] == nil {
			continue // it went meanwhile
		}
		one := mailRoom{Subject: bodies[i].Summary.Subject, Size: v.Size(m.Size), Date: v.Date(m.Date.In(time.Local)), Folder: names[m.Places[0].Mailbox],
			Path: "/mail#/f/" + mailbox.ObjectID('m', int64(m.Places[0].Mailbox)) + "/m/" + mailbox.ObjectID('e', int64(m.ID))}
		if one.Subject == "" {
			one.Subject = v.T("account-no-subject")
		}
		if from := bodies[i].Summary.From; len(from) > 0 {
			if one.From = from[0].Name; one.From == "" {
				one.From = from[0].Addr
			}
		}
		list = append(list, one)
	}
	return list, nil
}

type photosBody struct {
	Busy   bool
	Count  int
	Size   string
	Before string
}

// photos is what the tidying could move, when the member asks for it.
func (p *Pages) photos(w http.ResponseWriter, r *http.Request, v *visit) error {
	f, err := p.Tidy.Look(r.Context(), v.user.Account)
	if err != nil {
		return err
	}
	b := photosBody{Busy: f.Busy, Count: f.Photos, Size: v.Size(f.Size)}
	if !f.Before.IsZero() {
		b.Before = v.Date(f.Before)
	}
	return v.draw(p, w, "account-photos.html", "room", "account-photos-title", b)
}

func (p *Pages) movePhotos(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := p.Tidy.Start(r.Context(), v.user); err != nil {
		return err
	}
	return v.back(w, r, "/account/room", "photos")
}
