package tidy

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/store/mailbox"
)

const (
	least     = 300 << 10 // octets of a photo that is worth moving
	leastMail = 400 << 10 // and of a mail that is worth looking into
	most      = 2000      // mails that are looked into, the largest first
	worth     = 20        // this part of the quota at least is worth a question
)

// candidate is a mail with photos to move.
type candidate struct {
	mailbox.Spot
	entry   mailbox.Entry
	content *mailbox.Content
	photos  []*mail.Part
}

// weight is what its photos take in the mail, encoded.
func (c *candidate) weight() (n int64) {
	for _, p := range c.photos {
		n += p.Size
	}
	return n
}

// find finds the mails from before a date whose photos could move, by mailbox
// and UID. What came into its mailbox after asked was not asked about. Left
// alone are mails that lie in several mailboxes (to write one anew would free
// nothing), what the member threw away or is writing, and what a program shows.
func (s *Service) find(ctx context.Context, account mail.AccountID, before, asked time.Time) ([]candidate, error) {
	boxes, err := s.Mailboxes.List(ctx, account)
	if err != nil {
		return nil, err
	}
	places := map[mailbox.EmailID]int{}
	var list []candidate
	for _, b := range boxes {
		snap, err := s.Mailboxes.Snapshot(ctx, b.ID)
		if mail.Is(err, mail.NotFound) {
			continue // it went meanwhile
		}
		if err != nil {
			return nil, err
		}
		for i := range snap.Len() {
			e := snap.At(i)
			if e.Size < leastMail {
				continue
			}
			places[e.Email]++
			if e.Date.Before(before) && !e.Saved.After(asked) && b.Program == "" && b.Role != mailbox.Trash && b.Role != mailbox.Junk && b.Role != mailbox.Drafts &&
				!slices.Contains(e.Flags, `\Deleted`) && !slices.Contains(e.Flags, `\Draft`) {
				list = append(list, candidate{Spot: mailbox.Spot{Mailbox: b.ID, UID: e.UID}, entry: e})
			}
		}
	}
	list = slices.DeleteFunc(list, func(c candidate) bool { return places[c.entry.Email] > 1 })
	slices.SortFunc(list, func(a, b candidate) int { return int(min(max(b.entry.Size-a.entry.Size, -1), 1)) })
	list = list[:min(len(list), most)]
	for some := range slices.Chunk(list, 100) {
		ids := make([]mailbox.EmailID, len(some))
		for i, c := range some {
			ids[i] = c.entry.Email
		}
		contents, err := s.Mailboxes.Contents(ctx, account, ids)
		if err != nil {
			return nil, err
		}
		for i, c := range contents {
			if c == nil || c.Summary == nil || delivery.Sealed(c.Summary) {
				continue
			}
			if some[i].photos = photos(c.Summary); len(some[i].photos) > 0 {
				some[i].content = c
			}
		}
	}
	list = slices.DeleteFunc(list, func(c candidate) bool { return c.content == nil })
	slices.SortFunc(list, func(a, b candidate) int {
		if a.Mailbox != b.Mailbox {
			return int(min(max(a.Mailbox-b.Mailbox, -1), 1))
		}
		return int(a.UID) - int(b.UID)
	})
	return list, nil
}

// photos are the parts of a mail that are large photos. One that the mail's HTML
// shows in its place belongs to the words, and stays.
func photos(sum *mail.Summary) (list []*mail.Part) {
	if sum.Root == nil {
		return nil
	}
	var walk func(p *mail.Part, page bool)
	walk = func(p *mail.Part, page bool) {
		page = page || p.Type == "multipart/related"
		for _, c := range p.Children {
			walk(c, page)
		}
		if len(p.Children) == 0 && isPhoto(p) && p.Size*3/4 >= least && (p.Disposition == "attachment" || p.ID == "" && !page) {
			list = append(list, p)
		}
	}
	walk(sum.Root, false)
	return list
}

func isPhoto(p *mail.Part) bool {
	switch p.Type {
	case "image/jpeg", "image/jpg", "image/png", "image/heic", "image/heif", "image/webp", "image/avif":
		return true
	case "application/octet-stream":
		switch strings.ToLower(path.Ext(p.Filename)) {
		case ".jpg", ".jpeg", ".heic", ".heif":
			return true
		}
	}
	return false
}
