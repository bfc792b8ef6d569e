package imap

import (
	"fmt"
	"mime"
	"strings"

	"colporteur/mail"

	proto "github.com/emersion/go-imap/v2"
)

// envelope is a summary as ENVELOPE has it.
func envelope(s *mail.Summary) *proto.Envelope {
	e := &proto.Envelope{
		Date:      s.Date,
		Subject:   s.Subject,
		From:      addresses(s.From),
		Sender:    addresses(s.Sender),
		ReplyTo:   addresses(s.ReplyTo),
		To:        addresses(s.To),
		Cc:        addresses(s.Cc),
		Bcc:       addresses(s.Bcc),
		InReplyTo: s.InReplyTo,
		MessageID: s.MessageID,
	}
	return e
}

// addresses: neither half may be NIL, which would begin or end a group (RFC
// 3501 §7.4.2).
func addresses(list []mail.Mailbox) []proto.Address {
	var out []proto.Address
	for _, m := range list {
		a := proto.Address{Name: m.Name, Mailbox: m.Addr, Host: "missing-domain.invalid"}
		if i := strings.LastIndexByte(m.Addr, '@'); i >= 0 {
			a.Mailbox = m.Addr[:i]
			if host := m.Addr[i+1:]; host != "" {
				a.Host = host
			}
		}
		if a.Mailbox == "" {
			a.Mailbox = "missing-mailbox"
		}
		out = append(out, a)
	}
	return out
}

// structure is a part as BODYSTRUCTURE has it, with the extension data: the
// library leaves that out for BODY.
func structure(p *mail.Part) proto.BodyStructure {
	if p == nil {
		p = &mail.Part{Type: "text/plain"}
	}
	kind, sub, ok := strings.Cut(p.Type, "/")
	if !ok || kind == "" || sub == "" {
		kind, sub = "application", "octet-stream"
	}
	if kind == "multipart" && len(p.Children) > 0 {
		m := &proto.BodyStructureMultiPart{
			Subtype: sub,
			Extended: &proto.BodyStructureMultiPartExt{
				Params:      params(p.Params),
				Disposition: disposition(p),
				Language:    p.Language,
				Location:    p.Location,
			},
		}
		for _, c := range p.Children {
			m.Children = append(m.Children, structure(c))
		}
		return m
	}
	if kind == "multipart" {
		// The grammar has no multipart without parts; this one is damaged. Its
		// octets can be had as part 1.
		kind, sub = "text", "plain"
	}
	s := &proto.BodyStructureSinglePart{
		Type:        kind,
		Subtype:     sub,
		Params:      params(p.Params),
		ID:          p.ID,
		Description: mime.QEncoding.Encode("utf-8", p.Description),
		Encoding:    p.Encoding,
		Size:        uint32(min(p.Size, maxUint32)),
		Extended: &proto.BodyStructureSinglePartExt{
			Disposition: disposition(p),
			Language:    p.Language,
			Location:    p.Location,
		},
	}
	switch {
	case kind == "text":
		s.Text = &proto.BodyStructureText{NumLines: p.Lines}
	case kind == "message" && sub == "rfc822":
		// The grammar demands an envelope and a body, also where a broken or
		// encoded message has none.
		inner := p.Message
		if inner == nil {
			inner = &mail.Summary{}
		}
		s.MessageRFC822 = &proto.BodyStructureMessageRFC822{
			Envelope:      envelope(inner),
			BodyStructure: structure(inner.Root),
			NumLines:      p.Lines,
		}
	}
	return s
}

func disposition(p *mail.Part) *proto.BodyStructureDisposition {
	if p.Disposition == "" {
		return nil
	}
	return &proto.BodyStructureDisposition{Value: p.Disposition, Params: params(p.DispParams)}
}

// params are a part's parameters as its header would write them: what is not
// ASCII is extended notation (RFC 2231 §4).
func params(in map[string]string) map[string]string {
	out := make(map[string]string, len(in))
	for k, v := range in {
		if plain(v) {
			out[k] = v
			continue
		}
		var b strings.Builder
		b.WriteString("utf-8''")
		for i := 0; i < len(v); i++ {
			c := v[i]
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		out[strings.TrimSuffix(k, "*")+"*"] = b.String()
	}
	return out
}

func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
