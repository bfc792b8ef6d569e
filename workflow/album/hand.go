package album

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"colporteur/locale"
	"colporteur/mail"
	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/link"
	"colporteur/workflow/notify"
)

// JobHand makes photos of what was handed in through a page.
const JobHand = "album-hand"

// Handed is files that were handed in for an album, through a page and not by
// mail. Their bytes have rows already.
type Handed struct {
	Key   string  // the same twice is taken once
	Giver string  // how they called themselves; "" for the owner
	By    link.ID // of the place they came to; 0: the owner did it
	Words string  // what they wrote to the owner
	Files []HandedFile
}

// HandedFile is one of them.
type HandedFile struct {
	Name string
	Type string // as the browser said
	workflow.Kept
}

// handed is a job's payload; the files are rows, so that their bytes are named.
type handed struct {
	Album ID
	Key   string
	Giver string
	By    link.ID
	Words string
}

// AddFiles keeps files for an album in tx; a job makes photos of them, so that
// whoever hands in does not wait for that.
func (s *Service) AddFiles(ctx context.Context, tx *store.Tx, id ID, h Handed) error {
	for i, f := range h.Files {
		if _, err := tx.Exec(ctx, `INSERT INTO album_handed (album, key, seq, name, media_type, size, sha256, blob) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			int64(id), h.Key, i, store.Clean(f.Name), store.Clean(f.Type), f.Size, f.SHA256, int64(f.Blob)); err != nil {
			return fmt.Errorf("album %d: %w", id, err)
		}
	}
	payload, err := json.Marshal(handed{id, h.Key, h.Giver, h.By, h.Words})
	if err != nil {
		return err
	}
	_, _, err = s.Queue.Add(ctx, tx, queue.Job{Kind: JobHand, Lane: fmt.Sprint(int64(id)), Key: fmt.Sprintf("%d/%s", id, h.Key), Payload: payload})
	return err
}

// WorkHanded is the queue's handler for JobHand.
func (s *Service) WorkHanded(ctx context.Context, j *queue.Job) queue.Outcome {
	var h handed
	if err := json.Unmarshal(j.Payload, &h); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	err := s.addHanded(ctx, h)
	switch {
	case err == nil:
		return queue.Done(nil)
	case ctx.Err() != nil:
		return queue.Snooze(s.now(), "stopped", nil)
	case s.now().Sub(j.Created) > giveUp:
		s.log().ErrorContext(ctx, "gave up", "kind", JobHand, "album", int64(h.Album), "err", err)
		return queue.Discard(err.Error(), func(ctx context.Context, tx *store.Tx) error { return s.dropHanded(ctx, tx, h) })
	}
	return queue.Snooze(s.now().Add(workflow.Pause(j.Attempts)), err.Error(), nil)
}

func (s *Service) addHanded(ctx context.Context, h handed) error {
	var files []offered
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT seq, name, media_type, size, sha256, blob FROM album_handed WHERE album = $1 AND key = $2 ORDER BY seq`, int64(h.Album), h.Key)
		return store.Each(rows, err, func(scan func(...any) error) error {
			var f offered
			err := scan(&f.part, &f.name, &f.says, &f.kept.Size, &f.kept.SHA256, &f.kept.Blob)
			files = append(files, f)
			return err
		})
	})
	if err != nil || len(files) == 0 {
		return err // none: it was done before a crash
	}
	got, err := s.take(ctx, files)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		a, err := s.lock(ctx, tx, h.Album)
		if errors.Is(err, store.ErrNoRows) || err == nil && a.over(s.now()) {
			return s.dropHanded(ctx, tx, h) // taken off meanwhile
		}
		if err != nil {
			return err
		}
		by := link.Link{ID: h.By, Name: h.Giver}
		added, err := s.add(ctx, tx, a, "hand/"+h.Key, by, got.photos)
		if err != nil {
			return err
		}
		if err := s.tellHanded(ctx, tx, a, h, got, added); err != nil {
			return err
		}
		return s.dropHanded(ctx, tx, h)
	})
}

// tellHanded tells the owner what others handed in, and what of it is no photo.
func (s *Service) tellHanded(ctx context.Context, tx *store.Tx, a *Album, h handed, got *taken, added []Photo) error {
	key := "hand/" + h.Key
	if h.By != 0 && (len(added) > 0 || h.Words != "") {
		if err := s.tellOwner(ctx, tx, a, key, h.Giver, h.Words, added); err != nil {
			return err
		}
	}
	who := h.Giver
	if h.By == 0 {
		who = a.From
	}
	if err := s.tellGuests(ctx, tx, a, key, who, "", added, nil); err != nil || len(got.problems)+len(got.ignored) == 0 {
		return err
	}
	manage, err := s.manageLink(ctx, tx, a.ID)
	if err != nil {
		return err
	}
	p := locale.For(manage.Lang)
	l := workflow.Said(p, "upload-unfit", "Name", a.Name)
	l.Subject = p.T("upload-unfit-subject", "Name", a.Name)
	complain(&l, p, &incoming{taken: got, name: a.Name})
	return s.Notify.Tell(ctx, tx, notify.Note{Kind: notify.Album, Key: name(a.ID) + "/unfit/" + key, Member: a.Member, To: manage.Person, Lang: p.Lang,
		From: mail.Address{Local: "aide", Domain: manage.Person.Domain}, Link: manage.ID, Letter: l, Line: p.T("upload-unfit", "Name", a.Name)})
}

// dropHanded forgets files that are photos now, or will not be.
func (s *Service) dropHanded(ctx context.Context, tx *store.Tx, h handed) error {
	var ids []blob.ID
	rows, err := tx.Query(ctx, `SELECT blob FROM album_handed WHERE album = $1 AND key = $2 ORDER BY blob`, int64(h.Album), h.Key)
	err = store.Each(rows, err, func(scan func(...any) error) error {
		var id blob.ID
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM album_handed WHERE album = $1 AND key = $2`, int64(h.Album), h.Key); err != nil {
		return err
	}
	return s.Blobs.DeleteUnnamed(ctx, tx, ids...)
}
