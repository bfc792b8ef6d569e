package album

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"colporteur/store"
	"colporteur/store/blob"
	"colporteur/store/queue"
	"colporteur/workflow"
	"colporteur/workflow/picture"
)

// JobFinish makes the forms of a photo that pages can do without at first:
// smaller files for newer browsers, the full size for guests, the film.
const JobFinish = "picture"

// giveUp is how long a photo that cannot be finished is tried again.
const giveUp = 48 * time.Hour

func (s *Service) later(ctx context.Context, tx *store.Tx, id PhotoID) error {
	payload, err := json.Marshal(id)
	if err != nil {
		return err
	}
	_, _, err = s.Queue.Add(ctx, tx, queue.Job{Kind: JobFinish, Key: fmt.Sprint(id), Payload: payload})
	return err
}

// Finish is the queue's handler for JobFinish.
func (s *Service) Finish(ctx context.Context, j *queue.Job) queue.Outcome {
	var id PhotoID
	if err := json.Unmarshal(j.Payload, &id); err != nil {
		return queue.Discard("unreadable payload: "+err.Error(), nil)
	}
	err := s.finish(ctx, id)
	switch {
	case err == nil, errors.Is(err, store.ErrNoRows): // or it is gone
		return queue.Done(nil)
	case ctx.Err() != nil:
		return queue.Snooze(s.now(), "stopped", nil)
	case unfit(err):
		// What is shown already must do.
		s.log().InfoContext(ctx, "photo not finished", "photo", int64(id), "err", err)
		return queue.Done(func(ctx context.Context, tx *store.Tx) error { return finished(ctx, tx, id) })
	case s.now().Sub(j.Created) > giveUp:
		s.log().ErrorContext(ctx, "photo not finished", "photo", int64(id), "err", err)
		return queue.Discard(err.Error(), nil)
	}
	return queue.Snooze(s.now().Add(workflow.Pause(j.Attempts)), err.Error(), nil)
}

func finished(ctx context.Context, tx *store.Tx, id PhotoID) error {
	_, err := tx.Exec(ctx, `UPDATE photo SET finished = 1 WHERE id = $1`, int64(id))
	return err
}

func (s *Service) finish(ctx context.Context, id PhotoID) error {
	var source, film blob.ID
	clean := true
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		var done int
		if err := tx.QueryRow(ctx, `SELECT p.finished, f.blob FROM photo p JOIN photo_form f ON f.photo = p.id AND f.form = 'source' WHERE p.id = $1`,
			int64(id)).Scan(&done, &source); err != nil {
			return err
		}
		if done != 0 {
			return store.ErrNoRows
		}
		var one int
		err := tx.QueryRow(ctx, `SELECT 1 FROM photo_form WHERE photo = $1 AND form = 'clean'`, int64(id)).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			clean, err = false, nil
		}
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `SELECT blob FROM photo_form WHERE photo = $1 AND form = $2`, int64(id), string(moving)).Scan(&film)
		if errors.Is(err, store.ErrNoRows) {
			err = nil
		}
		return err
	})
	if err != nil {
		return err
	}
	r, err := s.Blobs.Open(ctx, source, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := s.Pictures.Finish(ctx, bufio.NewReaderSize(r, 64<<10))
	if err != nil {
		return err
	}
	defer f.Close()
	forms := map[Form]kept{}
	for i, form := range []Form{SmallW, MediumW, LargeW} {
		if f.WebP[i] != "" {
			if err := s.keep(ctx, forms, form, f.WebP[i], "image/webp"); err != nil {
				return err
			}
		}
	}
	if f.Clean != "" && !clean {
		if err := s.keep(ctx, forms, Clean, f.Clean, f.CleanType); err != nil {
			return err
		}
	}
	if f.Film != "" && f.Film != f.Clean { // else the full size serves both
		if err := s.keep(ctx, forms, FilmMP4, f.Film, "video/mp4"); err != nil {
			return err
		}
	}
	if film != 0 {
		if err := s.move(ctx, film, forms); err != nil {
			return err
		}
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		var one int
		if err := tx.QueryRow(ctx, `SELECT 1 FROM photo WHERE id = $1 AND finished = 0 FOR UPDATE`, int64(id)).Scan(&one); err != nil {
			return err
		}
		if err := s.insert(ctx, tx, id, forms); err != nil {
			return err
		}
		if k, ok := forms[Clean]; ok {
			if _, err := tx.Exec(ctx, `UPDATE photo SET media_type = $1 WHERE id = $2`, k.mediaType, int64(id)); err != nil {
				return err
			}
		}
		return finished(ctx, tx, id)
	})
}

// move makes what browsers play of the film that came with a still. A film that
// cannot be played is no reason to leave the still unfinished.
func (s *Service) move(ctx context.Context, film blob.ID, forms map[Form]kept) error {
	r, err := s.Blobs.Open(ctx, film, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := s.Pictures.Finish(ctx, bufio.NewReaderSize(r, 64<<10))
	if unfit(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Film == "" {
		return nil
	}
	return s.keep(ctx, forms, FilmMP4, f.Film, "video/mp4")
}

// unfit says that an error is the file's, and stays.
func unfit(err error) bool {
	return errors.Is(err, picture.ErrTooBig) || errors.Is(err, picture.ErrUnreadable) || errors.Is(err, picture.ErrKind)
}
