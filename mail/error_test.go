package mail

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestTheKindOfAnErrorSurvivesWrapping(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("recipient x: %w", Refuse(NoSuchUser, "no-such-user", "Address", "x@y").Because(io.EOF))
	if KindOf(err) != NoSuchUser || !Is(err, NoSuchUser) || Is(err, Internal) || !errors.Is(err, io.EOF) {
		t.Errorf("%v has kind %d", err, KindOf(err))
	}
	if KindOf(io.EOF) != Internal || Is(io.EOF, Internal) {
		t.Error("an error of others is internal, and is not said to be so")
	}
}

func TestErrorsSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  *Error
		want string
	}{
		{Refuse(TooBig, "too-big"), "too-big"},
		{Refuse(TooBig, "too-big", "Limit", 3), "too-big map[Limit:3]"},
		{Refuse(TooBig, "too-big").Because(io.EOF), "too-big: EOF"},
		{Wrap(Unavailable, io.EOF), "EOF"},
		{Wrap(Unavailable, nil), "error of kind 1"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// RFC 3463: what may go away by itself is 4yz. A client that gets 5yz gives up,
// one that gets 4yz for a refusal knocks for five days.
func TestOnlyWhatMayPassIsTemporary(t *testing.T) {
	t.Parallel()
	for k := range Kind(Kinds) {
		switch k {
		case Internal, Unavailable, DiskFull, OverQuota, TooMany, RateLimited, Mixed:
			if !k.Temporary() {
				t.Errorf("kind %d is for good", k)
			}
		default:
			if k.Temporary() {
				t.Errorf("kind %d is temporary", k)
			}
		}
	}
}
