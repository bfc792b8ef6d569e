package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"

	"colporteur/delivery"
	"colporteur/importer"
	"colporteur/locale"
	"colporteur/mail"
)

// The server's half of `colporteur import`. The other host is talked to in the
// process of the command: what it sends, and how long it takes, is nothing that
// a mail server should have to cope with.

// intakes are the operations that take a stream, by name.
var intakes = map[string]intake{
	"import/keep": taking((*admin).keepImported),
}

// importing is whose mail is copied. Sentences come in the language of the
// command: their numbers would not survive JSON.
type importing struct {
	Member, Lang string
	Look         bool
	Folder       delivery.ImportFolder // to open
	Place        int64                 // to keep mail in
}

func (a *admin) openImport(ctx context.Context, in importing) (delivery.ImportPlace, error) {
	m, err := a.find(ctx, in.Member)
	if err != nil {
		return delivery.ImportPlace{}, inLang(err, in.Lang)
	}
	p, err := a.host.Door.OpenImport(ctx, m.User(), in.Folder, in.Look)
	return p, inLang(err, in.Lang)
}

// keepImported files mails: each is a line of JSON, and as many octets as it says.
func (a *admin) keepImported(ctx context.Context, in importing, body *bufio.Reader) ([]importer.Outcome, error) {
	m, err := a.find(ctx, in.Member)
	if err != nil {
		return nil, inLang(err, in.Lang)
	}
	results, err := a.host.Door.Import(ctx, m.User(), in.Place, func() (*delivery.ImportMail, error) {
		line, err := body.ReadSlice('\n')
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		one := &delivery.ImportMail{Body: body}
		if err := json.Unmarshal(line, one); err != nil {
			return nil, mail.Wrap(mail.BadSyntax, err)
		}
		return one, nil
	})
	if err != nil {
		return nil, inLang(err, in.Lang)
	}
	out := make([]importer.Outcome, len(results))
	for i, r := range results {
		out[i].Imported = r.Imported
		if r.Err != nil {
			out[i].Why = inLang(r.Err, in.Lang).Error()
		}
	}
	return out, nil
}

// inLang is err as its sentence in a language, if it has one.
func inLang(err error, lang string) error {
	var e *mail.Error
	if errors.As(err, &e) && e.Text.ID != "" {
		return refused{locale.For(lang).Text(e.Text)}
	}
	return err
}

// target hands mail to the server.
type target struct {
	desk *desk
	importing
}

var _ importer.Target = (*target)(nil)

func (t *target) Open(ctx context.Context, f delivery.ImportFolder, look bool) (delivery.ImportPlace, error) {
	in := t.importing
	in.Folder, in.Look = f, look
	return request[delivery.ImportPlace](ctx, t.desk, "import/open", in)
}

func (t *target) Keep(ctx context.Context, place int64, mails []delivery.ImportMail) ([]importer.Outcome, error) {
	in := t.importing
	in.Place = place
	return hand[[]importer.Outcome](ctx, t.desk, "import/keep", in, func(w io.Writer) error {
		for _, m := range mails {
			line, err := json.Marshal(m)
			if err != nil {
				return err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
			if n, err := io.Copy(w, m.Body); err != nil || n != m.Size {
				return errors.Join(io.ErrUnexpectedEOF, err)
			}
		}
		return nil
	})
}
