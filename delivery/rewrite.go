package delivery

import (
	"encoding/json"
	"slices"

	"colporteur/mail"
	"colporteur/store/message"
)

// rewritten is the message of a Forward.Rewrite: From is the alias, and answers
// still go to the author. It shares the bytes of the original, around the fields
// that differ; fields are what goes before it.
//
// The author's domain asks that mail without proof be refused. What proved this
// one, SPF, ends at our door, so with its own From it would be refused or called
// a forgery further on.
func rewritten(s *spooled, head *header, f *Forward) (d *message.Draft, fields []byte, err error) {
	from := mail.Mailbox{Addr: f.By.String()}
	author := s.draft.Summary.From
	if len(author) > 0 {
		from.Name = author[0].Name
		if from.Name == "" {
			from.Name = author[0].Addr
		}
		from.Name += " via " + f.By.Local
	}
	cuts := append(slices.Clone(head.cuts), mail.FieldRanges(head.raw, "From")...)
	fields = append(fields, mail.AddressField("From", from)...)
	if len(s.draft.Summary.ReplyTo) == 0 && len(author) > 0 {
		cuts = append(cuts, mail.FieldRanges(head.raw, "Reply-To")...)
		fields = append(fields, mail.AddressField("Reply-To", author...)...)
	}
	if len(author) > 0 { // RFC 5322 §3.6.8 leaves room; mail programs and people look for the author's own address here
		fields = append(fields, mail.AddressField("X-Original-From", author[0])...)
	}
	slices.SortFunc(cuts, func(a, b [2]int) int { return a[0] - b[0] })
	whole := s.draft.Segments[len(s.draft.Segments)-1]
	end := whole.Start + whole.Length
	d = &message.Draft{ID: message.ID(newID()), Segments: pieces(whole.Blob, end, cuts)}
	for _, p := range d.Segments {
		d.Size += p.Length
	}
	d.Summary, err = moved(s.draft.Summary, d.Size-s.draft.Size)
	return d, fields, err
}

// moved is a copy of a summary whose message became longer by n octets in its
// header.
func moved(s *mail.Summary, n int64) (*mail.Summary, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	out := &mail.Summary{}
	if err := json.Unmarshal(b, out); err != nil {
		return nil, err
	}
	var move func(p *mail.Part, root bool)
	move = func(p *mail.Part, root bool) {
		if p == nil {
			return
		}
		if !root {
			p.Offset += n
		}
		p.BodyOffset += n
		for _, c := range p.Children {
			move(c, false)
		}
		if p.Message != nil {
			move(p.Message.Root, false)
		}
	}
	move(out.Root, true)
	return out, nil
}
