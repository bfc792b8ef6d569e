package account

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Mails in a file as Thunderbird, Apple Mail, mutt and all importers read it (RFC
// 4155): LF at the ends of lines, a line that begins with "From " before each
// mail, and such lines in the mail quoted, those that are quoted already too
// ("mboxrd"), so that reading takes nothing from them.

// errUnread says that a mail could not be read to its end; what was written of it
// is ended properly.
type errUnread struct{ error }

func (e errUnread) Unwrap() error { return e.error }

// writeMbox adds one mail. An error that is no errUnread is the writer's.
func writeMbox(w *bufio.Writer, mail io.Reader, date time.Time, flags []string) error {
	fmt.Fprintf(w, "From MAILER-DAEMON %s\n", date.UTC().Format(time.ANSIC))
	w.WriteString(marks(flags))
	in := bufio.NewReaderSize(mail, 32<<10)
	var failed error
	begin, last := true, byte('\n')
	for {
		// A line may be of any length: it is passed on in pieces.
		piece, err := in.ReadSlice('\n')
		if begin && quoted(piece) {
			w.WriteByte('>')
		}
		whole := err == nil
		if whole && len(piece) > 1 && piece[len(piece)-2] == '\r' {
			piece = append(piece[:len(piece)-2], '\n')
		}
		if len(piece) > 0 {
			last = piece[len(piece)-1]
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		begin = whole
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if err != io.EOF {
				failed = errUnread{err}
			}
			break
		}
	}
	if last != '\n' {
		w.WriteByte('\n')
	}
	if err := w.WriteByte('\n'); err != nil {
		return err
	}
	return failed
}

// quoted says whether a line is "From ", behind any number of ">".
func quoted(line []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From "))
}

// marks are what the member did with a mail, in the fields that mutt, Dovecot and
// others read; the mail's own fields stand below, as they came.
func marks(flags []string) string {
	status, more, words := "O", "", []string(nil)
	for _, f := range flags {
		switch strings.ToLower(f) {
		case `\seen`:
			status = "RO"
		case `\answered`:
			more += "A"
		case `\flagged`:
			more += "F"
		case `\draft`:
			more += "T"
		case `\deleted`:
			more += "D"
		default:
			words = append(words, f)
		}
	}
	out := "Status: " + status + "\n"
	if more != "" {
		out += "X-Status: " + more + "\n"
	}
	if len(words) > 0 {
		out += "X-Keywords: " + strings.Join(words, " ") + "\n"
	}
	return out
}
