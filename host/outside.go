package host

import (
	"context"
	"errors"
	"strings"

	"colporteur/delivery"
	"colporteur/mail"
	"colporteur/workflow/link"
	"colporteur/workflow/trust"
)

// outsiders implements delivery.Outsiders over what the rooms know.
type outsiders struct{ *Host }

func (o outsiders) Writer(ctx context.Context, to mail.Destination, from mail.Address) (delivery.Writer, error) {
	local := mail.FoldLocal(to.Addr.Local)
	switch {
	case strings.HasSuffix(to.Program, "{token}"):
		_, err := o.Links.ByReply(ctx, link.Token(strings.TrimPrefix(local, strings.TrimSuffix(to.Program, "{token}"))))
		return delivery.Writer{Guest: true}, err
	case strings.HasSuffix(to.Program, "{secret}"):
		secret, _, _ := strings.Cut(strings.TrimPrefix(local, strings.TrimSuffix(to.Program, "{secret}")), "+")
		m, err := o.Accounts.BySecret(ctx, secret)
		return delivery.Writer{User: m.User(), Secret: true}, err
	case from.IsZero():
		return delivery.Writer{}, mail.Wrap(mail.NotFound, errors.New("nobody writes from the null address"))
	}
	m, err := o.Accounts.ByOutside(ctx, from)
	return delivery.Writer{User: m.User()}, err
}

// wireTrust has members act from elsewhere; guide is what aide@ says otherwise.
func (h *Host) wireTrust() {
	h.Trust.DB, h.Trust.Directory, h.Trust.Mux, h.Trust.Asker, h.Trust.Now = h.DB, h.Accounts, h.Mux, h.Questions, h.opt.Now
	h.Questions.To[trust.Claim], h.Questions.To[trust.Outside] = h.Trust, h.Trust
	h.Mux.Claims = h.Trust
	h.Door.Outsiders = outsiders{h}
}
