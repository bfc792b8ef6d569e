package imap

import (
	"strconv"

	"colporteur/imap/wire"
	"colporteur/store/mailbox"
)

// UIDBATCHES (RFC 10022): ranges of UIDs with so many messages in each, from the
// newest to the oldest, for programs that work through a mailbox in portions.

var (
	batchesCommands     = commands{"UIDBATCHES": {in: selected, run: (*session).uidBatches}}
	batchesCapabilities = []string{"UIDBATCHES"}
)

// minBatch is the smallest batch. Smaller ones would make the answer as long as
// a list of the UIDs.
const minBatch = 500

func (s *session) uidBatches(d *wire.Decoder) error {
	if err := d.SP(); err != nil {
		return err
	}
	size, err := d.Number()
	if err != nil {
		return err
	}
	first, last := uint32(1), ^uint32(0)
	if d.Is(' ') {
		if first, err = d.Number(); err != nil {
			return err
		}
		if err := d.Byte(':'); err != nil {
			return err
		}
		if last, err = d.Number(); err != nil {
			return err
		}
	}
	if err := d.End(); err != nil {
		return err
	}
	switch {
	case size == 0 || first == 0 || last < first:
		return bad("Not a range of batches")
	case size < minBatch:
		return &status{"NO", "TOOFEW", "A batch has " + strconv.Itoa(minBatch) + " messages at least"}
	}
	s.e.Raw("* UIDBATCHES (TAG ").String(s.tag).Raw(")")
	s.e.Append(func(b []byte) []byte { return appendBatches(b, s.view.uids, int(size), int(first), int(last)) })
	s.e.CRLF()
	return nil
}

// appendBatches writes the first to the last batch. Together all of them are
// every UID from the highest one down to 1: no gap is left where a mail that is
// not there yet could hide.
func appendBatches(b []byte, uids *mailbox.UIDSet, size, first, last int) []byte {
	total := uids.Len()
	from := total // the place of the highest mail of a batch
	for n := 1; from > 0 && n <= last; n, from = n+1, from-size {
		if n < first {
			continue
		}
		low := mailbox.UID(1)
		if from > size {
			low = uids.At(from-size) + 1 // down to the next batch
		}
		b = append(b, " ,"[min(n-first, 1)])
		b = appendNumber(b, uint32(uids.At(from)))
		b = append(b, ':')
		b = appendNumber(b, uint32(low))
	}
	return b
}
