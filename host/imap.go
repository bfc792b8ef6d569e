package host

import (
	"context"

	"colporteur/accounts"
	"colporteur/imap"
	"colporteur/store/mailbox"
)

// imapVerifiers tells accounts' SCRAM verifiers in package imap's words.
type imapVerifiers struct{ accounts *accounts.Service }

func (v imapVerifiers) Verifiers(ctx context.Context, name string) ([]imap.Verifier, error) {
	have, err := v.accounts.Verifiers(ctx, name)
	out := make([]imap.Verifier, len(have))
	for i, a := range have {
		out[i] = imap.Verifier(a)
	}
	return out, err
}

var (
	_ imap.Verifiers = imapVerifiers{}
	_ imap.Quotas    = (*accounts.Service)(nil)
	_ mailbox.People = (*accounts.Service)(nil)
)
