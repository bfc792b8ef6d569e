package smtp

import (
	"bytes"
	"context"
	"io"
	"mime"
	netmail "net/mail"
	"strings"

	"colporteur/mail"
)

// headerCheck looks at a header before the Door does: names are ASCII without
// controls, and a member's From is theirs. Long headers from outside are only
// looked at in part; a member's has to be read whole, or From could hide.
func (s *Server) headerCheck(ctx context.Context, env *mail.Envelope) func(head []byte) error {
	return func(head []byte) error {
		member := env.Origin == mail.FromMember
		if member && len(head) > maxHead {
			return mail.Refuse(mail.BadContent, "header-too-long")
		}
		from, err := readFrom(head)
		if err != nil {
			return err
		}
		if !member {
			return nil
		}
		switch len(from) {
		case 0:
			return mail.Refuse(mail.Policy, "smtp-from-missing")
		case 1:
		default: // RFC 5322 §3.6; mail programs show one of them, and which one differs
			return mail.Refuse(mail.Policy, "smtp-from-several")
		}
		addrs, ok := addresses(from[0])
		if !ok {
			return mail.Refuse(mail.Policy, "smtp-from-missing")
		}
		for _, text := range addrs {
			a, err := mail.ParseAddress(text)
			if err != nil {
				return mail.Refuse(mail.Policy, "smtp-from-not-yours", "Address", text)
			}
			if !env.UTF8 && !isASCII(text) {
				return errNeedUTF8
			}
			switch err := s.Accounts.MaySend(ctx, env.User.ID, a); {
			case mail.Is(err, mail.NotYours):
				return mail.Refuse(mail.Policy, "smtp-from-not-yours", "Address", a.String())
			case err != nil:
				return err
			}
		}
		return nil
	}
}

// errNeedUTF8 has no kind of its own in package mail; see needUTF8.
var errNeedUTF8 = mail.Refuse(mail.BadAddress, "smtp-needs-utf8")

// readFrom returns the values of every From field, however it is spelled. It
// reads on past lines that are no field: other programs do.
func readFrom(head []byte) (from []string, err error) {
	for len(head) > 0 {
		line, rest := head, []byte(nil)
		if i := bytes.IndexByte(head, '\n'); i >= 0 {
			line, rest = head[:i+1], head[i+1:]
		}
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') { // folded
			i := bytes.IndexByte(rest, '\n') + 1
			if i == 0 {
				i = len(rest)
			}
			line, rest = line[:len(line)+i], rest[i:]
		}
		head = rest
		if bytes.IndexByte(line, 0) >= 0 {
			return nil, mail.Refuse(mail.BadContent, "smtp-bad-header")
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
		name = bytes.TrimRight(name, " \t")
		for _, c := range name {
			if c >= 0x7f || c < ' ' && c != '\t' && c != '\r' && c != '\n' {
				return nil, mail.Refuse(mail.BadContent, "smtp-bad-header")
			}
		}
		if bytes.EqualFold(name, []byte("From")) {
			from = append(from, string(value))
		}
	}
	return from, nil
}

// words keeps net/mail from refusing display names in charsets it does not
// know: only the addresses matter here.
var words = netmail.AddressParser{WordDecoder: &mime.WordDecoder{
	CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return strings.NewReader("?"), nil },
}}

// addresses are those of a From field; false when it has none or makes no sense.
func addresses(field string) ([]string, bool) {
	field = strings.NewReplacer("\r\n", "", "\t", " ").Replace(strings.ToValidUTF8(field, "?"))
	list, err := words.ParseList(field)
	if err != nil || len(list) == 0 {
		return nil, false
	}
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = quoteLocal(a.Address)
	}
	return out, true
}

// quoteLocal puts back the quotes that net/mail took off a local part.
func quoteLocal(addr string) string {
	i := strings.LastIndexByte(addr, '@')
	if i < 0 {
		return addr
	}
	if _, err := mail.ParseAddress(addr); err == nil {
		return addr
	}
	return mail.Address{Local: addr[:i], Domain: addr[i+1:]}.String()
}
