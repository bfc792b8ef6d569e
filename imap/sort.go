package imap

import (
	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

var sortCommands = commands{
	"SORT":     {in: selected, run: (*session).sort, numbers: true, quiet: true},
	"UID SORT": {in: selected, run: (*session).sort, numbers: true},
}

var sortCapabilities = []string{"SORT", "SORT=DISPLAY", "ESORT"}

// sortKeys of RFC 5256 and 5957.
var sortKeys = map[string]mailbox.SortKey{
	"ARRIVAL": mailbox.ByArrival, "CC": mailbox.ByCc, "DATE": mailbox.ByDate, "FROM": mailbox.ByFrom, "SIZE": mailbox.BySize,
	"SUBJECT": mailbox.BySubject, "TO": mailbox.ByTo, "DISPLAYFROM": mailbox.ByDisplayFrom, "DISPLAYTO": mailbox.ByDisplayTo,
}

// maxOrders: more than one of each would change nothing.
const maxOrders = 20

// sort is SORT (RFC 5256), and with RETURN that of RFC 5267.
func (s *session) sort(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	opt, err := s.parseReturn(d)
	if err != nil {
		return err
	}
	by, err := parseOrders(d)
	if err != nil {
		return err
	}
	q, c, err := s.parseSearched(d)
	if err != nil {
		return err
	}
	found, err := s.find(q)
	if err == nil {
		found, err = s.srv.Mailboxes.Sort(s.ctx, s.view.box, found, by)
	}
	if err != nil {
		if opt.save {
			s.saved = nil
		}
		return err
	}
	r := result{s: s, found: found, set: foundUIDs(found), sorted: true, modseq: c.modseq}
	if opt.save {
		s.saved = r.saved(opt)
	}
	if opt.given {
		r.esearch(opt)
	} else {
		r.list("SORT")
	}
	if opt.update {
		s.refuseUpdate() // places in an order that changes are not followed
	}
	return nil
}

func parseOrders(d *wire.Decoder) (by []mailbox.Order, err error) {
	err = d.List(func() error {
		word, err := d.Word()
		if err != nil {
			return err
		}
		o := mailbox.Order{}
		if word == "REVERSE" {
			o.Reverse = true
			if err := d.SP(); err != nil {
				return err
			}
			if word, err = d.Word(); err != nil {
				return err
			}
		}
		key, ok := sortKeys[word]
		if !ok {
			return bad("Unknown sort criterion")
		}
		if len(by) == maxOrders {
			return bad("Too many sort criteria")
		}
		o.By = key
		by = append(by, o)
		return nil
	})
	if err == nil && len(by) == 0 {
		err = bad("SORT needs a criterion")
	}
	return by, err
}

// parseSearched reads " charset keys", which SORT and THREAD end with.
func (s *session) parseSearched(d *wire.Decoder) (*mailbox.Query, *criteria, error) {
	if err := d.SP(); err != nil {
		return nil, nil, err
	}
	charset, err := d.AString()
	if err != nil {
		return nil, nil, err
	}
	if err := d.SP(); err != nil {
		return nil, nil, err
	}
	c, err := s.charset(d, charset)
	if err != nil {
		return nil, nil, err
	}
	q, err := c.program()
	return q, c, err
}
