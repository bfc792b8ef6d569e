package jmap

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"colporteur/mail"
	"colporteur/store/mailbox"
	"colporteur/workflow/absence"
)

// Absences keeps what is answered for members who are away; *absence.Service does.
type Absences interface {
	Get(ctx context.Context, account mail.AccountID) (a absence.Absence, state int64, err error)
	Change(ctx context.Context, account mail.AccountID, ifState *int64, change func(a *absence.Absence) error) (before, after int64, err error)
}

// VacationResponse is the one object of RFC 8621 §8.

var vacationMethods = map[string]method{
	"VacationResponse/get": {usingVacation, typed(getVacation)},
	"VacationResponse/set": {usingVacation, typed(setVacation)},
}

var vacationProperties = []string{"id", "isEnabled", "fromDate", "toDate", "subject", "textBody", "htmlBody"}

const (
	singleton  = "singleton"
	maxAbsence = 64 << 10 // of each body, in octets
)

func vacationObject(a absence.Absence) object {
	o := object{"id": singleton, "isEnabled": a.On, "fromDate": nil, "toDate": nil, "subject": a.Subject, "textBody": a.Text, "htmlBody": a.HTML}
	if !a.From.IsZero() {
		o["fromDate"] = utcDate(a.From)
	}
	if !a.To.IsZero() {
		o["toDate"] = utcDate(a.To)
	}
	return o
}

func getVacation(ctx context.Context, c *Call, a *getArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	wanted, err := properties(a.Properties, vacationProperties)
	if err != nil {
		return nil, err
	}
	ids, all, err := a.asked()
	if err != nil {
		return nil, err
	}
	is, now, err := c.srv.Absences.Get(ctx, account)
	if err != nil {
		return nil, err
	}
	if all {
		ids = []string{singleton}
	}
	out := &getAnswer{AccountID: a.AccountID, State: countState(now), List: []object{}, NotFound: []string{}}
	for _, id := range ids {
		if id == singleton {
			out.List = append(out.List, vacationObject(is).only(wanted))
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}

func setVacation(ctx context.Context, c *Call, a *setArgs) (any, error) {
	account, err := c.ownAccount(ctx, a.AccountID)
	if err != nil {
		return nil, err
	}
	_, now, err := c.srv.Absences.Get(ctx, account)
	if err != nil {
		return nil, err
	}
	if err := a.check(mailbox.ModSeq(now)); err != nil {
		return nil, err
	}
	var ifState *int64
	if a.IfInState != nil {
		ifState = &now
	}
	out := a.answer(countState(now))
	for _, key := range slices.Sorted(maps.Keys(a.Create)) {
		out.NotCreated[key] = &setError{Type: "singleton"}
	}
	for _, id := range a.Destroy {
		if out.NotDestroyed[id] = (&setError{Type: "notFound"}); id == singleton {
			out.NotDestroyed[id] = &setError{Type: "singleton"}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.Update)) {
		if id != singleton {
			out.NotUpdated[id] = &setError{Type: "notFound"}
			continue
		}
		var is absence.Absence
		before, after, err := c.srv.Absences.Change(ctx, account, ifState, func(have *absence.Absence) error {
			is = *have
			if err := c.readVacation(&is, a.Update[id]); err != nil {
				return err
			}
			*have = is
			return nil
		})
		switch {
		case mail.Is(err, mail.Conflict):
			return nil, &failure{Type: "stateMismatch"}
		case err != nil:
			out.NotUpdated[id] = c.refused(err)
			continue
		}
		old := countState(before)
		out.OldState, out.NewState = &old, countState(after)
		out.Updated[id] = otherwise(vacationObject(is), a.Update[id])
	}
	return out, nil
}

// otherwise are the properties that became something else than the client sent,
// nil when there are none (RFC 8620 §5.3).
func otherwise(now object, sent map[string]jsontext.Value) (o object) {
	for name, v := range sent {
		is, ok := now[name]
		if raw, err := json.Marshal(is); ok && (err != nil || !sameJSON(raw, v)) {
			if o == nil {
				o = object{}
			}
			o[name] = is
		}
	}
	return o
}

// readVacation sets what a client changes.
func (c *Call) readVacation(a *absence.Absence, values map[string]jsontext.Value) error {
	for name, v := range values {
		var err error
		switch name {
		case "id":
			if s, _ := textOf(v); s != singleton {
				err = errors.New("it cannot be set")
			}
		case "isEnabled":
			if a.On = string(v) == "true"; !a.On && string(v) != "false" {
				err = errors.New("it is true or false")
			}
		case "fromDate":
			a.From, err = dateArg(v)
		case "toDate":
			a.To, err = dateArg(v)
		case "subject":
			if a.Subject, err = wordsArg(v); err == nil && a.Subject != nil && (utf8.RuneCountInString(*a.Subject) > 200 || strings.ContainsAny(*a.Subject, "\r\n")) {
				err = errors.New("a subject is one line of at most 200 characters")
			}
		case "textBody":
			if a.Text, err = wordsArg(v); err == nil && a.Text != nil && len(*a.Text) > maxAbsence {
				err = mail.Refuse(mail.TooBig, "absence-long")
			}
		case "htmlBody":
			if a.HTML, err = wordsArg(v); err == nil && a.HTML != nil {
				*a.HTML, err = cleaned(*a.HTML, maxAbsence, "absence-long", "absence-deep")
			}
		default:
			err = errors.New("there is no such property to change")
		}
		if err != nil {
			return c.badValue(err, name)
		}
	}
	if !a.From.IsZero() && !a.To.IsZero() && !a.From.Before(a.To) {
		return c.badValue(mail.Refuse(mail.BadContent, "absence-dates"), "fromDate", "toDate")
	}
	return nil
}

// badValue is the answer about a value that cannot be: our sentence, when there
// is one for people, else what a programmer wants to know.
func (c *Call) badValue(err error, names ...string) error {
	if s := c.sentence(err); s != "" {
		return invalidProperties(s, names...)
	}
	return invalidProperties(err.Error(), names...)
}

// wordsArg reads a text or null.
func wordsArg(v jsontext.Value) (*string, error) {
	if null(v) {
		return nil, nil
	}
	s, ok := textOf(v)
	if !ok {
		return nil, errors.New("it is text or null")
	}
	return &s, nil
}

// dateArg reads a UTCDate (RFC 8620 §1.4) or null.
func dateArg(v jsontext.Value) (time.Time, error) {
	s, ok := textOf(v)
	if null(v) {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if !ok || err != nil || !strings.HasSuffix(s, "Z") || t.Year() < 2000 || t.Year() > 9999 {
		return t, errors.New("it is a date in UTC, or null")
	}
	return t, nil
}
