package jmap

import (
	"errors"
	"net/http"

	"colporteur/mail"
)

// failure is an error about one method call (RFC 8620 §3.6.2), with what is to
// be said beside its type.
type failure struct {
	Type        string   `json:"type"`
	Description string   `json:"description,omitempty"`
	Arguments   []string `json:"arguments,omitempty"`
}

func (f *failure) Error() string { return f.Type + ": " + f.Description }

func invalid(why string, arguments ...string) error {
	return &failure{Type: "invalidArguments", Description: why, Arguments: arguments}
}

// setError is what became of one object of a set call (RFC 8620 §5.3).
type setError struct {
	Type        string   `json:"type"`
	Description string   `json:"description,omitempty"`
	Properties  []string `json:"properties,omitempty"`
	ExistingID  string   `json:"existingId,omitempty"`
	NotFound    []string `json:"notFound,omitempty"`          // blobNotFound
	MaxSize     int64    `json:"maxSize,omitzero"`            // tooLarge, of a submission
	MaxRecip    int      `json:"maxRecipients,omitzero"`      // tooManyRecipients
	InvalidRcpt []string `json:"invalidRecipients,omitempty"` // invalidRecipients
}

func (e *setError) Error() string { return e.Type + ": " + e.Description }

func invalidProperties(why string, names ...string) *setError {
	return &setError{Type: "invalidProperties", Description: why, Properties: names}
}

// kinds says for each kind of failure what a method call, an object of a set
// call, and a plain HTTP request are answered.
var kinds = [mail.Kinds]struct {
	method, set string
	status      int
}{
	mail.Internal:     {"serverFail", "serverFail", http.StatusInternalServerError},
	mail.Unavailable:  {"serverUnavailable", "serverFail", http.StatusServiceUnavailable},
	mail.DiskFull:     {"serverUnavailable", "serverFail", http.StatusInsufficientStorage},
	mail.NoSuchUser:   {"invalidArguments", "invalidProperties", http.StatusNotFound},
	mail.RelayDenied:  {"forbidden", "forbidden", http.StatusForbidden},
	mail.BadAddress:   {"invalidArguments", "invalidProperties", http.StatusBadRequest},
	mail.BadSyntax:    {"invalidArguments", "invalidProperties", http.StatusBadRequest},
	mail.NotYours:     {"forbidden", "forbidden", http.StatusForbidden},
	mail.AuthRequired: {"forbidden", "forbidden", http.StatusUnauthorized},
	mail.AuthFailed:   {"forbidden", "forbidden", http.StatusUnauthorized},
	mail.Suspended:    {"forbidden", "forbidden", http.StatusForbidden},
	mail.OverQuota:    {"serverFail", "overQuota", http.StatusInsufficientStorage},
	mail.TooBig:       {"requestTooLarge", "tooLarge", http.StatusRequestEntityTooLarge},
	mail.TooMany:      {"requestTooLarge", "tooLarge", http.StatusBadRequest},
	mail.RateLimited:  {"serverUnavailable", "rateLimit", http.StatusTooManyRequests},
	mail.Mixed:        {"invalidArguments", "invalidProperties", http.StatusBadRequest},
	mail.BareNewline:  {"invalidArguments", "invalidEmail", http.StatusBadRequest},
	mail.BadContent:   {"invalidArguments", "invalidEmail", http.StatusBadRequest},
	mail.Loop:         {"invalidArguments", "invalidProperties", http.StatusBadRequest},
	mail.Policy:       {"forbidden", "forbidden", http.StatusForbidden},
	mail.NotFound:     {"invalidArguments", "notFound", http.StatusNotFound},
	mail.Conflict:     {"stateMismatch", "alreadyExists", http.StatusConflict},
	mail.Forbidden:    {"forbidden", "forbidden", http.StatusForbidden},
	mail.Gone:         {"cannotCalculateChanges", "notFound", http.StatusGone},
}

// told is the answer to a method call that failed, and whether it is our fault,
// so that its cause is for the log.
func (c *Call) told(err error) (*failure, bool) {
	var f *failure
	if errors.As(err, &f) {
		return f, false
	}
	k := mail.KindOf(err)
	return &failure{Type: kinds[k].method, Description: c.sentence(err)}, ours(k)
}

// refused is the answer for one object of a set call.
func (c *Call) refused(err error) *setError {
	var e *setError
	if errors.As(err, &e) {
		return e
	}
	k := mail.KindOf(err)
	if ours(k) {
		c.srv.log().ErrorContext(c.ctx, "jmap", "user", c.User.ID, "method", c.name, "err", err)
	}
	return &setError{Type: kinds[k].set, Description: c.sentence(err)}
}

func ours(k mail.Kind) bool { return k == mail.Internal || k == mail.Unavailable || k == mail.DiskFull }

// sentence is what the member reads about an error, in their language.
func (c *Call) sentence(err error) string {
	var e *mail.Error
	if errors.As(err, &e) && c.srv.Render != nil {
		return c.srv.Render(c.User.Lang, e.Text)
	}
	return ""
}
