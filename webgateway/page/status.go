package page

import (
	"errors"
	"net/http"

	"colporteur/mail"
	"colporteur/store"
)

// statuses is the one place where kinds become HTTP status codes. What exists
// but is not for the reader looks like what does not exist.
var statuses = [mail.Kinds]int{
	mail.Internal:     http.StatusInternalServerError,
	mail.Unavailable:  http.StatusServiceUnavailable,
	mail.DiskFull:     http.StatusInsufficientStorage,
	mail.NoSuchUser:   http.StatusNotFound,
	mail.RelayDenied:  http.StatusForbidden,
	mail.BadAddress:   http.StatusBadRequest,
	mail.BadSyntax:    http.StatusBadRequest,
	mail.NotYours:     http.StatusForbidden,
	mail.AuthRequired: http.StatusUnauthorized,
	mail.AuthFailed:   http.StatusUnauthorized,
	mail.Suspended:    http.StatusForbidden,
	mail.OverQuota:    http.StatusInsufficientStorage,
	mail.TooBig:       http.StatusRequestEntityTooLarge,
	mail.TooMany:      http.StatusTooManyRequests,
	mail.RateLimited:  http.StatusTooManyRequests,
	mail.Mixed:        http.StatusConflict,
	mail.BareNewline:  http.StatusBadRequest,
	mail.BadContent:   http.StatusUnprocessableEntity,
	mail.Loop:         http.StatusLoopDetected,
	mail.Policy:       http.StatusForbidden,
	mail.NotFound:     http.StatusNotFound,
	mail.Conflict:     http.StatusConflict,
	mail.Forbidden:    http.StatusNotFound,
	mail.Gone:         http.StatusNotFound,
}

var kindTexts = [mail.Kinds]string{
	mail.Internal: "kind-internal", mail.Unavailable: "kind-unavailable", mail.DiskFull: "kind-disk-full",
	mail.NoSuchUser: "kind-no-such-user", mail.RelayDenied: "kind-relay-denied", mail.BadAddress: "kind-bad-address",
	mail.BadSyntax: "kind-bad-syntax", mail.NotYours: "kind-not-yours", mail.AuthRequired: "kind-auth-required",
	mail.AuthFailed: "kind-auth-failed", mail.Suspended: "kind-suspended", mail.OverQuota: "kind-over-quota",
	mail.TooBig: "kind-too-big", mail.TooMany: "kind-too-many", mail.RateLimited: "kind-rate-limited",
	mail.Mixed: "kind-mixed", mail.BareNewline: "kind-bare-newline", mail.BadContent: "kind-bad-content",
	mail.Loop: "kind-loop", mail.Policy: "kind-policy", mail.NotFound: "kind-not-found",
	mail.Conflict: "kind-conflict", mail.Forbidden: "kind-forbidden", mail.Gone: "kind-gone",
}

// Status is the HTTP status of an error.
func Status(err error) int {
	switch {
	case errors.Is(err, store.ErrNoRows):
		return http.StatusNotFound
	case errors.Is(err, store.ErrUnavailable):
		return http.StatusServiceUnavailable
	}
	return statuses[mail.KindOf(err)]
}

// KindText is the id of the sentence for a kind that has none of its own.
func KindText(k mail.Kind) string { return kindTexts[k] }
