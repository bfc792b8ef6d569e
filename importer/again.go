package importer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"colporteur/mail"
)

// # What went wrong, and whether to try again
//
// The other host said NO: the connection lives, and it will say so again. The
// connection broke: connect again, as often as patience lasts, counted anew
// after each success. Our own side failed: the end.

// targetError is a failure of ours.
type targetError struct{ error }

func (e targetError) Unwrap() error { return e.error }

func isTarget(err error) bool { return errors.As(err, new(targetError)) }

// brokenError is a connection that broke in the middle of a body.
type brokenError struct{ error }

func (e brokenError) Unwrap() error { return e.error }

func isBroken(err error) bool { return errors.As(err, new(brokenError)) }

// folderError is a failure that ends the copying of one folder.
type folderError struct{ error }

func (e folderError) Unwrap() error { return e.error }

func isFolder(err error) bool {
	return errors.As(err, new(folderError)) || errors.Is(err, errRenumbered)
}

// isOver says whether the other host is of no use any more.
func isOver(err error) bool { return errors.Is(err, ErrGone) || errors.Is(err, ErrLogin) }

// final says whether a failure of ours is about this folder, and would be the same again.
func final(err error) bool {
	return mail.Is(err, mail.BadSyntax) || mail.Is(err, mail.TooMany) || mail.Is(err, mail.Policy)
}

// trying does f until it succeeds or trying again is of no use.
func (r *run) trying(ctx context.Context, f func() error) error {
	patience := r.Patience
	if patience == nil {
		patience = usualPatience
	}
	for n := 0; ; n++ {
		err := f()
		if err == nil || isTarget(err) || refusal(err) || errors.Is(err, ErrLogin) || errors.Is(err, ErrNoFolder) || errors.Is(err, errRenumbered) {
			return err
		}
		r.source.close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !r.source.ever || unreadable(err) && n > 0 {
			return err // a host that never answered is a mistake in its name, most likely
		}
		if n >= len(patience) {
			return fmt.Errorf("%w: %w", ErrGone, err)
		}
		select {
		case <-time.After(patience[n]):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// unreadable says whether the other host sent something that is not IMAP: it
// will again. The client has no type for that; its own failures begin so.
func unreadable(err error) bool {
	return err != nil && !isTarget(err) && strings.HasPrefix(err.Error(), "in response")
}

// why is a failure in the other host's own words, if it had any.
func why(err error) string {
	var t targetError
	if errors.As(err, &t) {
		return t.Error()
	}
	return strings.TrimPrefix(err.Error(), "imap: ")
}

func unix(s int64) time.Time { return time.Unix(s, 0).UTC() }
