package wire

// NumSet is a set of sequence numbers or UIDs as a client wrote it, or "$", what
// the last search found (RFC 5182).
type NumSet struct {
	Saved  bool
	Ranges []NumRange // touching or overlapping ones joined while they are read, when rising
}

// NumRange is a range in the order it was written; Star (0) is "*", the last one there is.
type NumRange struct{ Start, Stop uint32 }

// Star is "*".
const Star = 0

// NumSet reads a sequence-set. What it may cost is bounded by the line's length.
func (d *Decoder) NumSet() (set NumSet, err error) {
	if d.Is('$') {
		return NumSet{Saved: true}, nil
	}
	for {
		var r NumRange
		if r.Start, err = d.setNumber(); err != nil {
			return set, err
		}
		r.Stop = r.Start
		if d.Is(':') {
			if r.Stop, err = d.setNumber(); err != nil {
				return set, err
			}
		}
		n := len(set.Ranges)
		if n > 0 && r.Start != Star && r.Stop >= r.Start && set.Ranges[n-1].Stop != Star &&
			set.Ranges[n-1].Stop >= set.Ranges[n-1].Start && set.Ranges[n-1].Stop+1 == r.Start {
			set.Ranges[n-1].Stop = r.Stop // "1,2,3" is "1:3"
		} else {
			set.Ranges = append(set.Ranges, r)
		}
		if !d.Is(',') {
			return set, nil
		}
	}
}

func (d *Decoder) setNumber() (uint32, error) {
	if d.Is('*') {
		return Star, nil
	}
	n, err := d.Number()
	if err != nil || n == 0 {
		return 0, d.expected("a number above 0, or *")
	}
	return n, nil
}

// Order puts the ends of a range in order when last stands for "*".
func (r NumRange) Order(last uint32) (from, to uint32) {
	if r.Start == Star {
		r.Start = last
	}
	if r.Stop == Star {
		r.Stop = last
	}
	return min(r.Start, r.Stop), max(r.Start, r.Stop)
}
